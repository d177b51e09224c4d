"""Which spatial frequencies each view has."""

from dataclasses import dataclass
from typing import ClassVar

from augstudy.augment.base import Op
from augstudy.augment.crops import RandomResizedCrop
from augstudy.augment.frequency import HighPass, LowPass
from augstudy.augment.geometry import HorizontalFlip
from augstudy.augment.graph import Graph
from augstudy.augment.views.base import View
from augstudy.core.build import check_interval, check_range, check_types

__all__ = ["Frequency"]


@dataclass(frozen=True)
class Frequency(View):
    """One crop: the first view is a Gaussian low-pass of it, the second what that leaves over.

    Each side has an encoder of its own; probes see both encoders' features side by side.

    Args:
        sigma: control variable, in pixels of the view; more makes the first view coarser and the second fuller.
        scale, ratio, flip_p: of the crop and the mirroring, which both views share.

    Source: Tian et al. (InfoMin), NeurIPS 2020, views split by frequency.
    """

    control: ClassVar[str] = "sigma"
    unit: ClassVar[str] = "px"
    two_encoders: ClassVar[bool] = True
    sigma: float = 0.7
    scale: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip_p: float = 0.5

    def __post_init__(self) -> None:
        check_types(self)
        check_range("size", self.size, 4, 4096)
        check_range("sigma", self.sigma, 0.05, 100)
        check_interval("scale", self.scale, 1e-6, 1)
        check_interval("ratio", self.ratio, 0.01, 100)
        check_range("flip_p", self.flip_p, 0, 1)

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
        return Graph((LowPass(sigma=self.sigma),)), Graph((HighPass(sigma=self.sigma),))
