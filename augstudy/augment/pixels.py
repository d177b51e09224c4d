"""Sharpness, noise and erasing; what is drawn for each pixel is keyed by the sample and the pixel's number."""

import math
from dataclasses import dataclass
from functools import cache

import torch
from kornia.enhance import sharpness
from torch import Tensor

from augstudy.augment.base import FilterOp
from augstudy.augment.crops import first_box
from augstudy.core.build import check_choice, check_interval, check_range
from augstudy.core.rng import derive, philox4x32

__all__ = ["Erasing", "GaussianNoise", "Sharpness", "normal", "random_words"]


def random_words(key: Tensor, shape: torch.Size, stream: str) -> Tensor:
    """A random 32-bit word for each channel of each pixel: (B, 2) uniforms of `core.rng` -> (B, C, h, w) int64.

    The counter is the pixel's number and the sample's key, so the words depend on nothing else.
    """
    _, channels, height, width = shape
    keys = (key * 2**24).long()[:, None, :]  # exact: uniforms are multiples of 2^-24
    pixel = torch.arange(height * width, device=key.device)[None, :, None].expand(len(key), -1, 1)
    counter = torch.cat((pixel, torch.zeros_like(pixel), keys.expand(-1, height * width, -1)), -1)  # (B, hw, 4)
    words = philox4x32(counter, derive(0, stream))[..., :channels]
    return words.mT.view(-1, channels, height, width)


@cache
def _quantiles(device: torch.device) -> Tensor:
    """The standard normal's quantiles at the middles of 2^16 equal steps."""
    steps = (torch.arange(2**16, dtype=torch.float64) + 0.5) / 2**16
    return torch.special.ndtri(steps).float().to(device)


def normal(words: Tensor) -> Tensor:
    """Standard normal numbers by the upper 16 bits of each word, the same on every device; none is beyond 4.3."""
    return _quantiles(words.device)[words >> 16]


@dataclass(frozen=True)
class Sharpness(FilterOp):
    """Blend with a 3 x 3 blur by a factor uniform in [max(0, 1 - a), 1 + a]: below 1 softer, above 1 sharper.

    Args:
        amount: a, at strength 1.

    Source: AutoAugment's range, 0.1 to 1.9 (Cubuk et al., CVPR 2019); maths and p of torchvision's
    RandomAdjustSharpness.
    """

    amount: float = 0.9
    p: float = 0.5
    draws = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("amount", self.amount, 0)

    def sample(self, uniforms: Tensor) -> Tensor:  # (B, 1) -> (B,), factors
        reach = self.amount * self.strength
        low = max(0.0, 1 - reach)
        return low + uniforms[:, 0] * (1 + reach - low)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return sharpness(x, params) if min(x.shape[-2:]) > 2 else x


@dataclass(frozen=True)
class GaussianNoise(FilterOp):
    """Add normal noise of standard deviation `sigma` to each channel of each pixel, and clip.

    Source: `torchvision.transforms.v2.GaussianNoise`.
    """

    sigma: float = 0.1
    draws = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("sigma", self.sigma, 0)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        noise = normal(random_words(params, x.shape, "gaussian_noise"))
        return (x + noise * (self.sigma * self.strength)).clamp(0, 1)


@dataclass(frozen=True)
class Erasing(FilterOp):
    """Fill a random box; torchvision's RandomErasing, ten attempts and their order included.

    Args:
        scale: bounds of the box's area as a share of the picture's; strength multiplies them.
        ratio: bounds of height over width, drawn log-uniformly.
        fill: "value", or "noise" for a uniform random number in each channel of each pixel. (torchvision's `random`
            is normal, as it erases pixels that are normalised already; uniform is the paper's.)
        value: what "value" fills with.

    Source: Zhong et al., AAAI 2020; `torchvision.transforms.v2.RandomErasing`.
    """

    scale: tuple[float, float] = (0.02, 0.33)
    ratio: tuple[float, float] = (0.3, 3.3)
    fill: str = "value"
    value: float = 0.0
    p: float = 0.5
    draws = 24  # area and shape of ten attempts, the place, the key of the noise

    def __post_init__(self) -> None:
        super().__post_init__()
        check_interval("scale", self.scale, 0, 1)
        check_interval("ratio", self.ratio, 0.01, 100)
        check_choice("fill", self.fill, ("value", "noise"))
        check_range("value", self.value, 0, 1)

    def boxes(self, params: Tensor, height: int, width: int) -> Tensor:
        """(B, 4) top, left, height and width of each box in pixels; height and width are 0 where none fits."""
        low, high = (min(1.0, bound * self.strength) for bound in self.scale)
        area = (low + params[:, 0:20:2] * (high - low)) * (height * width)
        tall, wide = (math.log(bound) for bound in self.ratio)
        ratio = (tall + params[:, 1:20:2] * (wide - tall)).exp()
        w, h = first_box(area, 1 / ratio, (height - 1, width - 1))
        top, left = (params[:, 20] * (height - h + 1)).floor(), (params[:, 21] * (width - w + 1)).floor()
        return torch.stack((top, left, h, w), 1)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        top, left, h, w = self.boxes(params, *x.shape[-2:]).view(-1, 4, 1, 1).unbind(1)  # (B, 1, 1) each
        rows = torch.arange(x.shape[-2], device=x.device)[:, None]
        columns = torch.arange(x.shape[-1], device=x.device)
        inside = (rows >= top) & (rows < top + h) & (columns >= left) & (columns < left + w)  # (B, h, w)
        if self.fill == "value":
            return x.masked_fill(inside[:, None], self.value)
        noise = (random_words(params[:, 22:], x.shape, "erasing") >> 8).float() * 2.0**-24
        return torch.where(inside[:, None], noise, x)
