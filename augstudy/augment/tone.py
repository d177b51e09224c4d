"""Ops on the tone curve of a picture: torchvision's maths, through kornia's functions where the two agree."""

from dataclasses import dataclass

import torch
from kornia.enhance import equalize, invert, solarize
from torch import Tensor

from augstudy.augment.base import ColorOp, FilterOp
from augstudy.core.build import check_interval, check_range

__all__ = ["AutoContrast", "Equalize", "Gamma", "Invert", "Posterize", "Solarize", "power"]


def power(x: Tensor, exponent: Tensor | float) -> Tensor:
    """x to a positive power, for x in [0, inf).

    `torch.pow` rounds the last elements of a tensor by another routine than the rest, so that a pixel's last bit would
    depend on the batch it came in. Logarithm and exponential do not.
    """
    return (x.log() * exponent).exp()


@dataclass(frozen=True)
class Solarize(ColorOp):
    """Invert what is at least as bright as `threshold`, in each channel.

    Source: Grill et al. (BYOL), NeurIPS 2020, appendix B: threshold 0.5, with p = 0.2 in one of the two views.
    """

    threshold: float = 0.5
    p: float = 0.2
    on_or_off = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("threshold", self.threshold, 0, 1)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return solarize(x, float(self.threshold))


@dataclass(frozen=True)
class Posterize(ColorOp):
    """Keep the highest bits of each channel.

    Strength s takes s times as many bits away, rounded to whole ones; at least one stays.

    The levels are those of torchvision on floats. kornia's `posterize` cuts to 8 bits before it shifts, and its levels
    are k 2^n / 255 instead of k / 2^bits: up to one level (1/255 on 8-bit pixels) apart.

    Source: the lowest setting of AutoAugment (Cubuk et al., CVPR 2019), p of `torchvision.transforms.RandomPosterize`.
    """

    bits: int = 4
    p: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("bits", self.bits, 1, 8)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        kept = max(1, round(8 - (8 - self.bits) * self.strength))
        levels = 2**kept
        return x if kept == 8 else (x * levels).floor().clamp(0, levels - 1) / levels


@dataclass(frozen=True)
class Invert(ColorOp):
    """The negative. Source: `torchvision.transforms.RandomInvert`."""

    p: float = 0.5
    on_or_off = True

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return invert(x)


@dataclass(frozen=True)
class Gamma(ColorOp):
    """Raise each channel to a power uniform in `gamma`; strength s raises the bounds to the power s.

    The maths of torchvision's and kornia's `adjust_gamma`; the range and p of albumentations' RandomGamma, as
    the other two have no default.
    """

    gamma: tuple[float, float] = (0.8, 1.2)
    p: float = 0.5
    draws = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_interval("gamma", self.gamma, 0.01, 100)

    def sample(self, uniforms: Tensor) -> Tensor:  # (B, 1) -> (B,), exponents
        low, high = (bound**self.strength for bound in self.gamma)
        return low + uniforms[:, 0] * (high - low)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        exponent = params.view(-1, 1, 1, 1)
        return torch.where(exponent == 1, x, power(x, exponent)).clamp(max=1)


@dataclass(frozen=True)
class Equalize(FilterOp):
    """Make the histogram of each channel flat; it looks at the whole picture.

    Pixels are cut to 8 bits as torchvision does; given those, kornia's function and torchvision's agree.

    Source: `torchvision.transforms.RandomEqualize`, whose maths is Pillow's.
    """

    p: float = 0.5
    on_or_off = True

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return equalize((x * (256 - 1e-3)).floor() / 255)


@dataclass(frozen=True)
class AutoContrast(FilterOp):
    """Stretch each channel so that its darkest pixel is 0 and its brightest 1; it looks at the whole picture.

    A channel of one value stays, as in torchvision; kornia's `normalize_min_max` would blacken it.

    Source: `torchvision.transforms.RandomAutocontrast`.
    """

    p: float = 0.5
    on_or_off = True

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)  # (B, 3, 1, 1)
        flat = high == low
        low = low.masked_fill(flat, 0)
        return ((x - low) / torch.where(flat, 1, high - low)).clamp(0, 1)
