"""What an op is: chance (`sample`) and effect (`matrix` or `apply`) apart, so that every draw can be replayed."""

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from torch import Tensor

from augstudy.core.build import check_range, check_types

__all__ = ["ColorOp", "FilterOp", "GeometryOp", "Op", "Size"]

Size = tuple[int, int]  # (height, width) in pixels


@dataclass(frozen=True)
class Op:
    """One node of an augmentation graph.

    Args:
        p: probability that a sample is touched.
        strength: 1 gives the published sizes, 0 the identity, what lies between or above scales them.
    """

    p: float = 1.0
    strength: float = field(default=1.0, kw_only=True)
    draws: ClassVar[int] = 0  # uniforms a sample needs, the gate of `p` not counted
    on_or_off: ClassVar[bool] = False  # knows no more or less, so strength scales how often it acts

    def __post_init__(self) -> None:
        check_types(self)
        check_range("p", self.p, 0, 1)
        check_range("strength", self.strength, 0)

    @property
    def drops_channels(self) -> bool:
        """Whether pixels leave with fewer channels than they came with."""
        return False

    @property
    def chance(self) -> float:
        """Probability that a sample is touched."""
        return min(1.0, self.p * self.strength) if self.on_or_off else self.p

    def scaled(self, factor: float) -> Self:
        """The same op `factor` times as strong."""
        return replace(self, strength=self.strength * factor)

    def sample(self, uniforms: Tensor) -> Tensor:
        """Parameters from uniforms in [0, 1): (B, draws) -> (B, ...)."""
        return uniforms


class GeometryOp(Op):
    """Says where an output pixel comes from; moves no pixel itself.

    `rigid` ops carry whole pixels to whole pixels (flips, quarter turns), so they commute with symmetric filters.
    """

    rigid: ClassVar[bool] = False
    from_source: ClassVar[bool] = False  # cuts from the source image, whatever crop of it there might be

    def out_size(self, size: Size) -> Size:
        """Size of the output for an input of this size."""
        return size

    @abstractmethod
    def matrix(self, params: Tensor, size: Size) -> Tensor:
        """(B, 3, 3) maps output to input coordinates, in pixels, the centre of the first pixel at (0.5, 0.5)."""


class ColorOp(Op):
    """Changes each pixel by itself, so it commutes with geometry."""

    @abstractmethod
    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """(B, 3, h, w) in [0, 1], and parameters on the same device -> the same shape and range."""

    def change(self, x: Tensor, params: Tensor, rows: Tensor) -> Tensor:
        """Apply to the samples `rows` of a batch, in place where it can; parameters and rows are on the CPU."""
        if len(rows) == len(x):
            return self.apply(x, params.to(x.device, non_blocking=True))
        here = rows.to(x.device, non_blocking=True)
        x[here] = self.apply(x[here], params[rows].to(x.device, non_blocking=True))
        return x


class FilterOp(ColorOp):
    """Changes a pixel by its neighbours, its place or the whole picture, so it commutes with nothing.

    `symmetric` ones look the same in every direction and place, so they commute with rigid geometry.
    """

    symmetric: ClassVar[bool] = False
