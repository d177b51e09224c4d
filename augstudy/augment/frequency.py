"""Coarse and fine parts of a picture: a Gaussian low-pass and what it leaves over."""

import math
from dataclasses import dataclass
from typing import Self

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor

from augstudy.augment.base import FilterOp
from augstudy.augment.cpu import blur as compiled
from augstudy.augment.cpu.threads import fits, spread_rows
from augstudy.core.build import check_range

__all__ = ["HighPass", "LowPass"]


def smooth(x: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (B, 3, h, w) by `sigma` pixels, the kernel cut at three sigma or at the picture's side."""
    reach = min(math.ceil(3 * sigma), min(x.shape[-2:]) - 1)
    if reach < 1:
        return x.clone()
    if x.requires_grad or not fits(x):  # compiled code has no gradient
        width = x.new_full((len(x), 2), sigma)
        return gaussian_blur2d(x, (2 * reach + 1, 2 * reach + 1), width, border_type="reflect")
    y = x.clone()
    pixels, widths = y.numpy(), torch.full((len(x),), sigma).numpy()
    spread_rows(lambda mine: compiled.blur(pixels, widths, reach, mine), torch.arange(len(x)), x[0, 0].numel())
    return y


@dataclass(frozen=True)
class LowPass(FilterOp):
    """What is coarser than `sigma` pixels: a Gaussian blur of one width, its kernel cut at three sigma.

    `GaussianBlur` is the augmentation, whose short kernel follows SimCLR and makes wide blurs narrower than they say.
    Strength multiplies sigma.
    """

    sigma: float = 1.0
    symmetric = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("strength x sigma", self.strength * self.sigma, 0, 100)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return smooth(x, self.sigma * self.strength)


@dataclass(frozen=True)
class HighPass(FilterOp):
    """What `LowPass` of the same sigma takes away, halved and about 0.5, so that every residual lies in [0, 1].

    Signed before a network, 0.5 becomes 0. It is on at any strength above 0: like a colour space it says how a picture
    is written, and half of it would show what it is there to hide.

    Source: Tian et al. (InfoMin), NeurIPS 2020: views split by spatial frequency.
    """

    sigma: float = 1.0
    symmetric = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("sigma", self.sigma, 0, 100)

    @property
    def chance(self) -> float:
        return self.p if self.strength > 0 else 0.0

    def scaled(self, factor: float) -> Self:
        return self

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return ((x - smooth(x, self.sigma)) / 2 + 0.5).clamp(0, 1)
