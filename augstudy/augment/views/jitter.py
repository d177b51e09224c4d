"""How strong the colour jitter is, all its parts in one number."""

from dataclasses import dataclass, field
from typing import ClassVar

from augstudy.augment.views.standard import Standard
from augstudy.core.build import check_range

__all__ = ["Jitter"]


@dataclass(frozen=True)
class Jitter(Standard):
    """The standard view with ColorJitter(0.8 x, 0.8 x, 0.8 x, 0.2 x).

    Args:
        strength: control variable x, from 0 (none) to 2.5 (hues from all around the circle).

    Source: Tian et al. (InfoMin), NeurIPS 2020, appendix C: on ImageNet with MoCo, x = 1 was best. The form is that of
    Chen et al. (SimCLR), ICML 2020, appendix A.
    """

    control: ClassVar[str] = "strength"
    brightness: float = field(init=False, default=0.8)
    contrast: float = field(init=False, default=0.8)
    saturation: float = field(init=False, default=0.8)
    hue: float = field(init=False, default=0.2)

    def __post_init__(self) -> None:
        check_range("strength", self.strength, 0, 2.5)
        super().__post_init__()
