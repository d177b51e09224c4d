"""How much of the picture two views both show."""

from dataclasses import dataclass, field
from typing import ClassVar

from augstudy.augment.graph import Graph
from augstudy.augment.pairs import OverlapCrop
from augstudy.augment.views.standard import Standard
from augstudy.core.build import check_interval, check_range

__all__ = ["Overlap"]


@dataclass(frozen=True)
class Overlap(Standard):
    """The standard view with crops of one size that have a given share of their area in common.

    Args:
        overlap: control variable, the share in [0, 1]; at 0 the two only touch, at 1 they are one crop.
        area: bounds of a crop's area as a share of the frame's, at most 1/4, so that two fit beside each other.
    """

    control: ClassVar[str] = "overlap"
    unit: ClassVar[str] = "of a crop's area"
    overlap: float = 0.5
    area: tuple[float, float] = (0.1, 0.25)
    scale: tuple[float, float] = field(init=False, default=(1.0, 1.0))
    ratio: tuple[float, float] = field(init=False, default=(1.0, 1.0))

    def __post_init__(self) -> None:
        check_range("overlap", self.overlap, 0, 1)
        check_interval("area", self.area, 1e-6, 0.25)
        super().__post_init__()

    def graph(self) -> Graph:
        return self._side(0)

    def pair(self) -> tuple[Graph, Graph]:
        return self._side(0), self._side(1)

    @property
    def needs_pairs(self) -> bool:
        return True

    def _side(self, side: int) -> Graph:
        crop = OverlapCrop(size=self.size, overlap=self.overlap, scale=self.area, side=side)
        return Graph((crop, *super().graph().ops[1:]), shared=1)
