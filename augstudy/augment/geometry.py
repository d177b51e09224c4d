"""Turns, slants, shifts, zooms, flips and changes of perspective as 3x3 matrices from output to input coordinates.

Angles are in degrees, counter-clockwise positive as seen on the screen. Coordinates are pixels with centres at +0.5.
"""

import math
from dataclasses import dataclass

import torch
from kornia.geometry.transform import get_perspective_transform
from torch import Tensor

from augstudy.augment.base import GeometryOp, Size
from augstudy.core.build import check_interval, check_range
from augstudy.core.errors import UserError

__all__ = [
    "HorizontalFlip",
    "Perspective",
    "QuarterTurn",
    "Rotate",
    "Scale",
    "Shear",
    "Translate",
    "VerticalFlip",
]


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
        super().__post_init__()
        check_range("strength x degrees", self.strength * self.degrees, 0, 180)

    def sample(self, uniforms: Tensor) -> Tensor:  # (B, 1) -> (B,), degrees
        return (2 * uniforms[:, 0] - 1) * (self.strength * self.degrees)

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
        super().__post_init__()
        check_range("strength x degrees", self.strength * self.degrees, 0, 80)

    def sample(self, uniforms: Tensor) -> Tensor:  # (B, 1) -> (B,), degrees
        return (2 * uniforms[:, 0] - 1) * (self.strength * self.degrees)

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        slope = (params * (math.pi / 180)).tan()
        one, zero = torch.ones_like(slope), torch.zeros_like(slope)
        linear = torch.stack((torch.stack((one, slope), -1), torch.stack((zero, one), -1)), 1)
        return _about_centre(linear, size)


@dataclass(frozen=True)
class Translate(GeometryOp):
    """Shift by a share of the frame, uniform in [-x, x] along x and in [-y, y] along y.

    Shifts are not rounded to whole pixels: kornia's RandomTranslate does not either, torchvision's RandomAffine does.

    Source: the largest shift of AutoAugment (Cubuk et al., CVPR 2019) and RandAugment, 150 px of 331.
    """

    x: float = 150 / 331
    y: float = 150 / 331
    draws = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("x", "y"):
            check_range(f"strength x {name}", self.strength * getattr(self, name), 0, 1)

    def sample(self, uniforms: Tensor) -> Tensor:  # (B, 2) -> (B, 2), shares of width and height, right and down
        return (2 * uniforms - 1) * (uniforms.new_tensor([self.x, self.y]) * self.strength)

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        zero, one = torch.zeros_like(params[:, 0]), torch.ones_like(params[:, 0])
        return _affine(one, zero, -params[:, 0] * size[1], zero, one, -params[:, 1] * size[0])


@dataclass(frozen=True)
class Scale(GeometryOp):
    """Zoom about the centre by a factor uniform in `scale`, the law of torchvision's and kornia's RandomAffine.

    Above 1 things grow. Strength s raises both bounds to the power s. The libraries have no default; 0.8 to 1.2 is
    what their examples show.
    """

    scale: tuple[float, float] = (0.8, 1.2)
    draws = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_interval("scale", self.scale, 0.01, 100)

    def sample(self, uniforms: Tensor) -> Tensor:  # (B, 1) -> (B,), factors
        low, high = (bound**self.strength for bound in self.scale)
        return low + uniforms[:, 0] * (high - low)

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        return _about_centre(torch.eye(2, device=params.device) / params[:, None, None], size)


@dataclass(frozen=True)
class Perspective(GeometryOp):
    """Move each corner of the frame inwards by whole pixels, uniform from 0 to distortion x half the side.

    Source: `torchvision.transforms.v2.RandomPerspective`. Its corners are meant to be the centres of the corner pixels,
    and here and in kornia they are; torchvision then reads half a pixel beside them.
    """

    distortion: float = 0.5
    p: float = 0.5
    draws = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("strength x distortion", self.strength * self.distortion, 0, 1)

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        """Projective: its last row is not (0, 0, 1)."""
        sides = torch.tensor([size[1], size[0]], dtype=torch.float64, device=params.device)
        bound = (self.strength * self.distortion * (sides / 2).floor()).floor() + 1
        inwards = (params.view(-1, 4, 2).double() * bound).floor()  # (B, 4, 2), x and y of each corner
        signs = sides.new_tensor([[1, 1], [-1, 1], [-1, -1], [1, -1]])  # from the top left, clockwise
        corners = torch.where(signs > 0, 0.5, (sides - 0.5).clamp(min=1.5)).expand_as(inwards)
        matrix = get_perspective_transform(corners + signs * inwards, corners)
        return (matrix / matrix[:, 2:, 2:]).float()


@dataclass(frozen=True)
class QuarterTurn(GeometryOp):
    """Turn a square frame by 0, 90, 180 or 270 degrees, each as likely, moving pixels and changing none.

    Source: Gidaris, Singh, Komodakis, ICLR 2018, which turns by flips and transposes so that no trace of interpolation
    gives the angle away.
    """

    rigid = True
    on_or_off = True
    draws = 1

    def sample(self, uniforms: Tensor) -> Tensor:  # (B, 1) -> (B,), counter-clockwise quarters
        return (4 * uniforms[:, 0]).floor()

    def out_size(self, size: Size) -> Size:
        if size[0] != size[1]:
            raise UserError(
                f"quarter_turn needs square pictures, these are {size[1]} x {size[0]}", "Put a square crop before it."
            )
        return size

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        cosines, sines = params.new_tensor([1, 0, -1, 0]), params.new_tensor([0, 1, 0, -1])
        c, s = cosines[params.long()], sines[params.long()]
        linear = torch.stack((torch.stack((c, -s), -1), torch.stack((s, c), -1)), 1)
        return _about_centre(linear, size)


@dataclass(frozen=True)
class HorizontalFlip(GeometryOp):
    """Mirror left and right."""

    p: float = 0.5
    rigid = True
    on_or_off = True

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        return params.new_tensor([[-1.0, 0, size[1]], [0, 1, 0], [0, 0, 1]]).expand(len(params), 3, 3)


@dataclass(frozen=True)
class VerticalFlip(GeometryOp):
    """Mirror top and bottom."""

    p: float = 0.5
    rigid = True
    on_or_off = True

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        return params.new_tensor([[1.0, 0, 0], [0, -1, size[0]], [0, 0, 1]]).expand(len(params), 3, 3)
