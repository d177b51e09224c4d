"""How small a crop may be: the lower bound of RandomResizedCrop."""

from dataclasses import dataclass, field
from typing import ClassVar

from augstudy.augment.views.standard import Standard
from augstudy.core.build import check_range

__all__ = ["MinScale"]


@dataclass(frozen=True)
class MinScale(Standard):
    """The standard view whose area is at least `min_scale`, and at most all, of the crop's.

    Args:
        min_scale: control variable c, a share of the crop's area in (0, 1]; small c lets two views share little.

    Source: Tian et al. (InfoMin), NeurIPS 2020, appendix C: on ImageNet with MoCo, c = 0.2 was best.
    """

    control: ClassVar[str] = "min_scale"
    min_scale: float = 0.2
    scale: tuple[float, float] = field(init=False, default=(0.2, 1.0))

    def __post_init__(self) -> None:
        check_range("min_scale", self.min_scale, 1e-6, 1)
        object.__setattr__(self, "scale", (float(self.min_scale), 1.0))
        super().__post_init__()
