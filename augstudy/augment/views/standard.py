"""The augmentation stack of contrastive learning: crop, jitter, greyscale, blur, flip."""

from dataclasses import dataclass

from augstudy.augment.base import Op
from augstudy.augment.color import ColorJitter, Grayscale
from augstudy.augment.crops import RandomResizedCrop
from augstudy.augment.filters import GaussianBlur
from augstudy.augment.geometry import HorizontalFlip
from augstudy.augment.graph import Graph
from augstudy.augment.views.base import View
from augstudy.core.build import check_interval, check_range, check_types

__all__ = ["Standard"]


@dataclass(frozen=True)
class Standard(View):
    """How one training view is made from one crop; the defaults are MoCo v2's.

    Args:
        size: side of the view in pixels.
        scale: bounds of the view's area as a share of the crop's; [1, 1] leaves the crop whole.
        ratio: bounds of width over height.
        brightness, contrast, saturation, hue: see `ColorJitter`; `strength` multiplies them.
        jitter_p, gray_p, blur_p, flip_p: probabilities.
        blur_sigma: bounds in pixels.
        strength: control variable of the colour jitter; 0 switches it off.

    Source: Chen, Fan, Girshick, He, "Improved baselines with momentum contrastive learning", 2020.
    """

    scale: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    jitter_p: float = 0.8
    gray_p: float = 0.2
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    blur_p: float = 0.5
    flip_p: float = 0.5
    strength: float = 1.0

    def __post_init__(self) -> None:
        check_types(self)
        check_range("size", self.size, 4, 4096)
        check_interval("scale", self.scale, 1e-6, 1)
        check_interval("ratio", self.ratio, 0.01, 100)
        check_interval("blur_sigma", self.blur_sigma, 0.01)
        for name in ("strength", "brightness", "contrast", "saturation"):
            check_range(name, getattr(self, name), 0)
        check_range("strength x hue", self.strength * self.hue, 0, 0.5)
        for name in ("jitter_p", "gray_p", "blur_p", "flip_p"):
            check_range(name, getattr(self, name), 0, 1)

    def graph(self) -> Graph:
        """The ops, those that can never act left out."""
        s = self.strength
        jitter = (s * self.brightness, s * self.contrast, s * self.saturation, s * self.hue)
        ops: list[Op] = [RandomResizedCrop(size=self.size, scale=self.scale, ratio=self.ratio)]
        if self.jitter_p > 0 and any(jitter):
            ops.append(ColorJitter(self.jitter_p, *jitter))
        if self.gray_p > 0:
            ops.append(Grayscale(self.gray_p))
        if self.blur_p > 0:
            ops.append(GaussianBlur(p=self.blur_p, sigma=self.blur_sigma))
        if self.flip_p > 0:
            ops.append(HorizontalFlip(self.flip_p))
        return Graph(tuple(ops))
