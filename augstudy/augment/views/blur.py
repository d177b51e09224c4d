"""How blurred the views are."""

from dataclasses import dataclass, field
from typing import ClassVar

from augstudy.augment.frequency import LowPass
from augstudy.augment.graph import Graph
from augstudy.augment.views.standard import Standard
from augstudy.core.build import check_range

__all__ = ["Blur"]


@dataclass(frozen=True)
class Blur(Standard):
    """The standard view, always blurred by one width, in place of a random one.

    Args:
        sigma: control variable, in pixels of the view; 0 leaves the view sharp.
    """

    control: ClassVar[str] = "sigma"
    unit: ClassVar[str] = "px"
    sigma: float = 1.0
    blur_p: float = field(init=False, default=0.0)
    blur_sigma: tuple[float, float] = field(init=False, default=(0.1, 2.0))

    def __post_init__(self) -> None:
        check_range("sigma", self.sigma, 0, 100)
        super().__post_init__()

    def graph(self) -> Graph:
        last = (LowPass(sigma=self.sigma),) if self.sigma > 0 else ()
        return super().graph() + Graph(last)
