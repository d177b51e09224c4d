"""Noise that is keyed by its sample, pixel by pixel."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from augstudy.augment.base import FilterOp
from augstudy.core import rng
from augstudy.core.build import check_range

__all__ = ["GaussianNoise"]


@dataclass(frozen=True)
class GaussianNoise(FilterOp):
    """Add normal noise of standard deviation `sigma` (pixels span [0, 1]) to every channel, then clip.

    Strength multiplies sigma. The noise of a sample is a function of two uniforms of its own.
    """

    sigma: float = 0.1
    draws = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("sigma", self.sigma, 0)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        numbers = (params * 2**24).long()  # uniforms are multiples of 2^-24
        count = x[0].numel()
        u = rng.uniform(0, "noise", numbers[:, 0] << 24 | numbers[:, 1], 2 * count)  # (B, 2 C h w)
        radius = (-2 * (1 - u[:, :count]).log()).sqrt()  # Box and Muller, 1958
        noise = radius * (2 * math.pi * u[:, count:]).cos()
        return torch.add(x, noise.view_as(x), alpha=self.sigma * self.strength).clamp(0, 1)
