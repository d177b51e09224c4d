"""Which channels of a picture each view has."""

from dataclasses import dataclass
from typing import ClassVar

from augstudy.augment.base import Op
from augstudy.augment.colorspace import SPACES, Channels, ColorSpace
from augstudy.augment.crops import RandomResizedCrop
from augstudy.augment.geometry import HorizontalFlip
from augstudy.augment.graph import Graph
from augstudy.augment.views.base import View
from augstudy.core.build import check_choice, check_interval, check_range, check_types
from augstudy.core.errors import UserError

__all__ = ["Split"]


@dataclass(frozen=True)
class Split(View):
    """One crop in some colour space: the first view has one part of its channels, the second view the others.

    Each side has an encoder of its own, whose first convolution takes as many channels; probes see both encoders'
    features side by side.

    Args:
        space: control variable, see `ColorSpace`: rgb, hsv, lab, ycbcr, ydbdr, yiq or yuv.
        first: numbers of the channels of the first view; the second has the others.
        scale, ratio, flip_p: of the crop and the mirroring, which both views share.

    Source: Tian et al. (InfoMin), NeurIPS 2020; CMC, ECCV 2020, which splits Lab so.
    """

    control: ClassVar[str] = "space"
    two_encoders: ClassVar[bool] = True
    space: str = "lab"
    first: tuple[int, ...] = (0,)
    scale: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip_p: float = 0.5

    def __post_init__(self) -> None:
        check_types(self)
        check_range("size", self.size, 4, 4096)
        check_choice("space", self.space, SPACES)
        check_interval("scale", self.scale, 1e-6, 1)
        check_interval("ratio", self.ratio, 0.01, 100)
        check_range("flip_p", self.flip_p, 0, 1)
        if len(set(self.first)) != len(self.first) or not 0 < len(set(self.first) & {0, 1, 2}) == len(self.first) < 3:
            what = f"first is {list(self.first)}, which leaves no channel for one of the sides or names none of three"
            raise UserError(what, "Give one or two of 0, 1, 2, such as [0].")

    @property
    def channels(self) -> tuple[int, int]:
        return len(self.first), 3 - len(self.first)

    @property
    def needs_pairs(self) -> bool:
        return True

    def graph(self) -> Graph:
        return self.pair()[0]

    def pair(self) -> tuple[Graph, Graph]:
        ops: list[Op] = [RandomResizedCrop(size=self.size, scale=self.scale, ratio=self.ratio)]
        if self.flip_p > 0:
            ops.append(HorizontalFlip(self.flip_p))
        first, second = self.lenses()
        return Graph((*ops, *first.ops), shared=len(ops)), Graph((*ops, *second.ops), shared=len(ops))

    def lenses(self) -> tuple[Graph, Graph]:
        mine = tuple(sorted(self.first))
        others = tuple(c for c in range(3) if c not in mine)
        space = ColorSpace(space=self.space)
        return Graph((space, Channels(keep=mine, drop=True))), Graph((space, Channels(keep=others, drop=True)))
