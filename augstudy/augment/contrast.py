"""Contrast along the axes of colour: principal components of RGB, and saturation and value."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from augstudy.augment.base import ColorOp
from augstudy.augment.colorspace import mix
from augstudy.augment.tone import power
from augstudy.core.build import check_interval, check_range

__all__ = ["PrincipalContrast", "SaturationValue"]

# Rows are the principal axes of ImageNet's pixels; then their mean. In use for AlexNet's colour augmentation.
AXES = ((-0.5675, -0.5808, -0.5836), (0.7192, -0.0045, -0.6948), (0.4009, -0.8140, 0.4203))
MEAN = (0.485, 0.456, 0.406)


def between(uniforms: Tensor, bounds: tuple[float, float], strength: float) -> Tensor:
    """Factors, log-uniform between bounds that are raised to the power `strength`."""
    low, high = (strength * math.log(bound) for bound in bounds)
    return (low + uniforms * (high - low)).exp()


@dataclass(frozen=True)
class PrincipalContrast(ColorOp):
    """Stretch colours about ImageNet's mean along each of the three principal axes of its pixels, clipped.

    Args:
        factor: bounds of the three factors, drawn log-uniformly; strength s raises them to the power s.

    Source: Dosovitskiy et al., NeurIPS 2014, section 2.1, "contrast 1": factors from 0.5 to 2, axes of its own data.
    """

    factor: tuple[float, float] = (0.5, 2.0)
    draws = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        check_interval("factor", self.factor, 0.01, 100)

    @property
    def chance(self) -> float:
        return self.p if self.strength > 0 else 0.0

    def sample(self, uniforms: Tensor) -> Tensor:  # (B, 3) -> (B, 3, 3), rows give channels
        axes = uniforms.new_tensor(AXES)
        scaled = between(uniforms, self.factor, self.strength)[:, :, None] * axes  # (B, 3 axes, 3)
        return sum(axes[a, :, None] * scaled[:, a, None, :] for a in range(3))  # type: ignore[return-value]

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        mean = x.new_tensor(MEAN)[:, None, None]
        return (mix(x - mean, params) + mean).clamp(0, 1)


@dataclass(frozen=True)
class SaturationValue(ColorOp):
    """Raise saturation and value of HSV to a power, multiply them and add to them, each by numbers of its own.

    Hues stay, and a pixel without colour stays without.

    Args:
        exponent, factor: bounds, drawn log-uniformly; strength s raises them to the power s.
        shift: a adds a number uniform in [-a, a]; strength multiplies it.

    Source: Dosovitskiy et al., NeurIPS 2014, section 2.1, "contrast 2".
    """

    exponent: tuple[float, float] = (0.25, 4.0)
    factor: tuple[float, float] = (0.7, 1.4)
    shift: float = 0.1
    draws = 6

    def __post_init__(self) -> None:
        super().__post_init__()
        check_interval("exponent", self.exponent, 0.01, 100)
        check_interval("factor", self.factor, 0.01, 100)
        check_range("shift", self.shift, 0, 1)

    @property
    def chance(self) -> float:
        return self.p if self.strength > 0 else 0.0

    def sample(self, uniforms: Tensor) -> Tensor:  # (B, 6) -> (B, 3, 2): exponents, factors and shifts of S and V
        exponent, factor, shift = uniforms.view(-1, 3, 2).unbind(1)
        reach = self.shift * self.strength
        parts = (between(exponent, self.exponent, self.strength), between(factor, self.factor, self.strength))
        return torch.stack((*parts, (2 * shift - 1) * reach), 1)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        value = x.amax(1, keepdim=True)
        chroma = value - x.amin(1, keepdim=True)
        saturation = chroma / value.clamp(min=1e-12)
        below = (value - x) / chroma.clamp(min=1e-12)  # how far each channel lies below the largest, in [0, 1]: the hue
        exponent, factor, shift = params[..., None, None, None].unbind(1)  # (B, 2, 1, 1, 1) each
        saturation, value = (
            (power(c, exponent[:, i]) * factor[:, i] + shift[:, i]).clamp(0, 1)
            for i, c in enumerate((saturation, value))
        )
        return value * (1 - saturation * below)
