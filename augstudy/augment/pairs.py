"""Crops that come in pairs: where the second lies follows from where the first does.

Both views of a pair draw the same parameters (see `Graph.shared`); `side` says which of the two a graph makes.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from augstudy.augment.base import GeometryOp, Size
from augstudy.augment.crops import stretch_over
from augstudy.core.build import check_interval, check_range
from augstudy.core.errors import UserError

__all__ = ["OverlapCrop", "PatchPair"]


@dataclass(frozen=True)
class PatchPair(GeometryOp):
    """Two square patches of the source image, the second `distance` pixels to the right of and below the first.

    The first lies anywhere such that both are inside. At strength 0 the patch is the whole image; in between, what lies
    between.

    Args:
        size: side of the output in pixels.
        patch: side of a patch in pixels of the source image.
        distance: offset along both axes, in pixels of the source image.
        side: 0 for the first patch, 1 for the second.

    Source: Tian et al. (InfoMin), NeurIPS 2020: 64 px patches at (x, y) and (x + d, y + d).
    """

    size: int = 64
    patch: int = 64
    distance: int = 64
    side: int = 0
    draws = 2
    from_source: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("size", self.size, 1)
        check_range("patch", self.patch, 1)
        check_range("distance", self.distance, 0)
        check_range("side", self.side, 0, 1)

    def out_size(self, size: Size) -> Size:
        return self.size, self.size

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        if min(size) < self.patch + self.distance:
            what = f"patches of {self.patch} px at a distance of {self.distance} px leave an image of {size[::-1]} px"
            raise UserError(what, f"Set distance to {max(0, min(size) - self.patch)} or less, or patch to less.")
        room = [side - self.patch - self.distance + 1 for side in reversed(size)]  # whole pixels, x then y
        corner = (params * params.new_tensor(room)).floor() + self.side * self.distance  # (B, 2)
        x0, y0 = (corner * self.strength).unbind(1)
        h, w = (torch.full_like(x0, side + (self.patch - side) * self.strength) for side in size)
        return stretch_over(x0, y0, w, h, self.out_size(size))


@dataclass(frozen=True)
class OverlapCrop(GeometryOp):
    """Two crops of one size that have a given share of their area in common.

    Their area is drawn uniformly from `scale`, at the frame's own aspect; the way from the one to the other is drawn
    from all directions; together they lie anywhere in the frame. At strength 0 the crop is the whole frame.

    Args:
        size: side of the output in pixels.
        overlap: share of a crop's area that the other shows too, in [0, 1].
        scale: bounds of a crop's area as a share of the frame's; above 1/4 two crops without overlap do not fit.
        side: 0 for the first crop, 1 for the second.
    """

    size: int = 224
    overlap: float = 0.5
    scale: tuple[float, float] = (0.1, 0.25)
    side: int = 0
    draws = 6

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("size", self.size, 1)
        check_range("overlap", self.overlap, 0, 1)
        check_interval("scale", self.scale, 1e-6, 0.25)
        check_range("side", self.side, 0, 1)

    def out_size(self, size: Size) -> Size:
        return self.size, self.size

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        frame = params.new_tensor([size[1], size[0]])  # x, y throughout
        low, high = self.scale
        sides = (low + params[:, :1] * (high - low)).sqrt() * frame  # (B, 2)
        # The common part is (1 - dx / w) (1 - dy / h) of a crop; how much of it either axis gives up is drawn.
        part = params[:, 1:2]
        shift = sides * (1 - self._common(torch.cat((part, 1 - part), 1)))  # (B, 2)
        corner = params[:, 2:4] * (frame - sides - shift)  # of the box around both
        ahead = params[:, 4:6] < 0.5  # along which axes the second crop is ahead of the first
        here = torch.where(ahead, shift * self.side, shift * (1 - self.side))
        x0, y0 = ((corner + here) * self.strength).unbind(1)
        w, h = (frame + (sides - frame) * self.strength).unbind(1)
        return stretch_over(x0, y0, w, h, self.out_size(size))

    def _common(self, exponent: Tensor) -> Tensor:
        """overlap to the power of each exponent in [0, 1], such that 0 gives 0."""
        if self.overlap == 0:
            return torch.zeros_like(exponent)
        return (exponent * torch.tensor(self.overlap).log()).exp()
