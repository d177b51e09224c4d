"""How noisy the views are."""

from dataclasses import dataclass
from typing import ClassVar

from augstudy.augment.graph import Graph
from augstudy.augment.noise import GaussianNoise
from augstudy.augment.views.standard import Standard
from augstudy.core.build import check_range

__all__ = ["Noise"]


@dataclass(frozen=True)
class Noise(Standard):
    """The standard view with normal noise on every pixel, other noise in each view.

    Args:
        sigma: control variable, the standard deviation where pixels span [0, 1]; 0 adds none.
    """

    control: ClassVar[str] = "sigma"
    unit: ClassVar[str] = "of the pixel range"
    sigma: float = 0.1

    def __post_init__(self) -> None:
        check_range("sigma", self.sigma, 0, 10)
        super().__post_init__()

    def graph(self) -> Graph:
        last = (GaussianNoise(sigma=self.sigma),) if self.sigma > 0 else ()
        return super().graph() + Graph(last)
