"""How far apart two patches of one image lie."""

from dataclasses import dataclass
from typing import ClassVar

from augstudy.augment.base import Op
from augstudy.augment.graph import Graph
from augstudy.augment.pairs import PatchPair
from augstudy.augment.views.base import View
from augstudy.core.build import check_range, check_types

__all__ = ["Distance"]


@dataclass(frozen=True)
class Distance(View):
    """Two patches cut straight from the image, at (x, y) and (x + d, y + d), and nothing else done to them.

    They are cut from the image itself, so the corpus says only how many pairs there are; its crops play no part.

    Args:
        size: side of the view in pixels.
        patch: side of a patch in pixels of the image; it is resized to `size`.
        distance: control variable d, in pixels of the image; 0 shows the same patch twice.

    Source: Tian et al. (InfoMin), NeurIPS 2020: 64 px patches of large photographs, d from 64 to 384 px.
    """

    control: ClassVar[str] = "distance"
    unit: ClassVar[str] = "px"
    patch: int = 64
    distance: int = 64

    def __post_init__(self) -> None:
        check_types(self)
        check_range("size", self.size, 4, 4096)
        check_range("patch", self.patch, 4, 4096)
        check_range("distance", self.distance, 0, 1 << 16)

    def graph(self) -> Graph:
        return self._side(0)

    def pair(self) -> tuple[Graph, Graph]:
        return self._side(0), self._side(1)

    @property
    def needs_pairs(self) -> bool:
        return True

    @property
    def reach(self) -> int:
        return self.patch + self.distance

    def _side(self, side: int) -> Graph:
        ops: tuple[Op, ...] = (PatchPair(size=self.size, patch=self.patch, distance=self.distance, side=side),)
        return Graph(ops, shared=1)
