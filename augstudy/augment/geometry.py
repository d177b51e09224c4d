"""Rotations, shears and flips as 3x3 matrices from output to input coordinates.

Angles are in degrees, counter-clockwise positive as seen on the screen. Coordinates are pixels with centres at +0.5.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from augstudy.augment.base import GeometryOp, Size
from augstudy.core.build import check_range

__all__ = ["HorizontalFlip", "Rotate", "Shear", "VerticalFlip"]


def _affine(xx: Tensor, xy: Tensor, x0: Tensor, yx: Tensor, yy: Tensor, y0: Tensor) -> Tensor:
    """Six (B,) entries -> (B, 3, 3)."""
    zero, one = torch.zeros_like(xx), torch.ones_like(xx)
    rows = [torch.stack(r, -1) for r in ((xx, xy, x0), (yx, yy, y0), (zero, zero, one))]
    return torch.stack(rows, 1)


def _about_centre(linear: Tensor, size: Size) -> Tensor:
    """A (B, 2, 2) map that leaves the centre of the frame where it is -> (B, 3, 3)."""
    centre = linear.new_tensor([size[1] / 2, size[0] / 2])
    shift = centre - linear @ centre  # (B, 2)
    a, s = linear, shift
    return _affine(a[:, 0, 0], a[:, 0, 1], s[:, 0], a[:, 1, 0], a[:, 1, 1], s[:, 1])


@dataclass(frozen=True)
class Rotate(GeometryOp):
    """Turn about the centre by an angle uniform in [-degrees, degrees]."""

    degrees: float = 30.0
    draws = 1

    def __post_init__(self) -> None:
        check_range("degrees", self.degrees, 0, 180)

    def sample(self, uniforms: Tensor) -> Tensor:  # (B, 1) -> (B,), degrees
        return (2 * uniforms[:, 0] - 1) * self.degrees

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        angle = params * (math.pi / 180)
        c, s = angle.cos(), angle.sin()
        # A counter-clockwise turn of the picture reads its pixels clockwise; the y axis points down.
        linear = torch.stack((torch.stack((c, -s), -1), torch.stack((s, c), -1)), 1)
        return _about_centre(linear, size)


@dataclass(frozen=True)
class Shear(GeometryOp):
    """Slant along x about the centre by an angle uniform in [-degrees, degrees]."""

    degrees: float = 30.0
    draws = 1

    def __post_init__(self) -> None:
        check_range("degrees", self.degrees, 0, 80)

    def sample(self, uniforms: Tensor) -> Tensor:  # (B, 1) -> (B,), degrees
        return (2 * uniforms[:, 0] - 1) * self.degrees

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        slope = (params * (math.pi / 180)).tan()
        one, zero = torch.ones_like(slope), torch.zeros_like(slope)
        linear = torch.stack((torch.stack((one, slope), -1), torch.stack((zero, one), -1)), 1)
        return _about_centre(linear, size)


@dataclass(frozen=True)
class HorizontalFlip(GeometryOp):
    """Mirror left and right."""

    p: float = 0.5

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        return params.new_tensor([[-1.0, 0, size[1]], [0, 1, 0], [0, 0, 1]]).expand(len(params), 3, 3)


@dataclass(frozen=True)
class VerticalFlip(GeometryOp):
    """Mirror top and bottom."""

    p: float = 0.5

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        return params.new_tensor([[1.0, 0, 0], [0, -1, size[0]], [0, 0, 1]]).expand(len(params), 3, 3)
