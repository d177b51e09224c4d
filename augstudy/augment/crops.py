"""Crops as 3x3 matrices from output to input coordinates: which part of the picture is seen, and at which size.

Coordinates are pixels with centres at +0.5.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from augstudy.augment.base import GeometryOp, Size
from augstudy.core.build import check_choice, check_interval, check_range

__all__ = ["CenterCrop", "KeepInside", "RandomCrop", "RandomResizedCrop", "first_box", "stretch_over"]


def _towards(share: float, strength: float) -> float:
    """A share of the frame, all of it at strength 0 and the one given, to the last bit, at strength 1."""
    return (1 - strength) + share * strength


def first_box(area: Tensor, ratio: Tensor, limit: Size) -> tuple[Tensor, Tensor]:
    """Width and height of the first box that fits, in whole pixels; 0 where none does.

    Args:
        area: (B, attempts) in pixels.
        ratio: (B, attempts), width over height.
        limit: the largest (height, width) that fits.

    Returns:
        (B,) widths and (B,) heights.
    """
    w, h = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (w >= 1) & (h >= 1) & (w <= limit[1]) & (h <= limit[0])
    first, some = fits.float().argmax(1, keepdim=True), fits.any(1)
    return w.gather(1, first)[:, 0] * some, h.gather(1, first)[:, 0] * some


def stretch_over(x0: Tensor, y0: Tensor, w: Tensor, h: Tensor, out: Size) -> Tensor:
    """The matrix that stretches `out` over the box with this corner and these sides: (B,) each -> (B, 3, 3)."""
    zero, one = torch.zeros_like(x0), torch.ones_like(x0)
    rows = [torch.stack(r, -1) for r in ((w / out[1], zero, x0), (zero, h / out[0], y0), (zero, zero, one))]
    return torch.stack(rows, 1)


@dataclass(frozen=True)
class RandomCrop(GeometryOp):
    """A square whose side is a fraction of the shorter image side, anywhere in the image.

    At strength 0 it is the largest square; strength scales what a crop takes off.

    Source: first step of the released single-image script (`initcrop`, default 0.5).
    """

    fraction: float = 0.5
    draws = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("fraction", self.fraction, 0.01, 1)

    def out_size(self, size: Size) -> Size:
        side = max(1, int(_towards(self.fraction, self.strength) * min(size)))
        return side, side

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        out = self.out_size(size)
        x0 = (params[:, 0] * (size[1] - out[1] + 1)).floor()
        y0 = (params[:, 1] * (size[0] - out[0] + 1)).floor()
        return stretch_over(x0, y0, torch.full_like(x0, out[1]), torch.full_like(x0, out[0]), out)


@dataclass(frozen=True)
class RandomResizedCrop(GeometryOp):
    """A box of random area and aspect ratio, resized to `size`; torchvision's semantics, whole-pixel boxes included.

    At strength 0 the box is the whole frame; in between, the bounds of area and ratio lie between the frame's own and
    those given.

    Args:
        size: side of the output in pixels.
        scale: bounds of the area as a share of the input's.
        ratio: bounds of width over height, drawn log-uniformly.
        attempts: draws before the fallback, the largest centred box with a permitted ratio. torchvision takes 10; the
            single-image script draws until a box fits; of square images 32 attempts fail for less than one crop in
            10^20, of a 1600 x 600 one for about two in 10^7.
        area: "uniform" as in torchvision, or "log" for a log-uniform area (more small boxes).

    Source: Szegedy et al., CVPR 2015, section 6; `torchvision.transforms.RandomResizedCrop`.
    """

    size: int = 224
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    attempts: int = 10
    area: str = "uniform"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("size", self.size, 1)
        check_interval("scale", self.scale, 1e-6, 1)
        check_interval("ratio", self.ratio, 0.01, 100)
        check_range("attempts", self.attempts, 1, 1000)
        check_choice("area", self.area, ("uniform", "log"))

    @property
    def draws(self) -> int:  # type: ignore[override]
        return 2 * self.attempts + 2

    def out_size(self, size: Size) -> Size:
        return self.size, self.size

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        w, h = self._sides(params[:, :-2], size)
        x0 = (params[:, -2] * (size[1] - w + 1)).floor()
        y0 = (params[:, -1] * (size[0] - h + 1)).floor()
        fallback = w.eq(0)
        fw, fh = self._fallback(size)
        w, h = w.masked_fill(fallback, fw), h.masked_fill(fallback, fh)
        x0 = x0.masked_fill(fallback, (size[1] - fw) // 2)
        y0 = y0.masked_fill(fallback, (size[0] - fh) // 2)
        return stretch_over(x0, y0, w, h, self.out_size(size))

    def _sides(self, u: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """Width and height of the first box that fits, 0 where none did: (B, 2 attempts) -> (B,), (B,)."""
        share, shape = u[:, 0::2], u[:, 1::2]  # (B, attempts)
        low, high = (max(1e-6, _towards(bound, self.strength)) for bound in self.scale)
        area = low + share * (high - low) if self.area == "uniform" else low * (high / low) ** share
        tall, wide = self._ratios(size)
        return first_box(area * (size[0] * size[1]), tall * (wide / tall) ** shape, size)

    def _ratios(self, size: Size) -> tuple[float, float]:
        """Bounds of width over height at this strength."""
        frame = (size[1] / size[0]) ** max(0.0, 1 - self.strength)
        return self.ratio[0] ** self.strength * frame, self.ratio[1] ** self.strength * frame

    def _fallback(self, size: Size) -> tuple[int, int]:
        height, width = size
        tall, wide = self._ratios(size)
        if width / height < tall:
            return width, min(height, round(width / tall))
        if width / height > wide:
            return min(width, round(height * wide)), height
        return width, height


@dataclass(frozen=True)
class CenterCrop(GeometryOp):
    """The centred square of side `size` pixels; at strength 0 the whole frame, resized to it."""

    size: int = 224

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("size", self.size, 1)

    def out_size(self, size: Size) -> Size:
        return self.size, self.size

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        one = params.new_ones(len(params))
        h, w = (max(1.0, side + (self.size - side) * self.strength) for side in size)
        return stretch_over(one * ((size[1] - w) / 2), one * ((size[0] - h) / 2), one * w, one * h, self.out_size(size))


@dataclass(frozen=True)
class KeepInside(GeometryOp):
    """Move the frame, and shrink it about its centre if it must be, so that all of it lies inside the source image.

    It stands at the end of a crop's geometry: no pixel of such a crop is black, mirrored or repeated, as in the paper
    (which rotates before it crops) and unlike the released script. It has no strength: it undoes nothing that lies
    inside already.
    """

    def matrix(self, params: Tensor, size: Size) -> Tensor:
        return torch.eye(3, device=params.device).expand(len(params), 3, 3)

    def constrain(self, matrix: Tensor, size: Size, source: Size) -> Tensor:
        """The composed matrix (B, 3, 3) of a frame of `size`, corrected to lie inside `source`.

        What is moved and shrunk is the bounding box of the frame's corners in the source: a line stays a line under
        a projective map too, so the frame lies inside when they do. A frame that reaches beyond the horizon of its
        perspective, where no box bounds it, is cut off there.
        """
        bounds = matrix.new_tensor([source[1], source[0]])
        low, high = self._extent(matrix, size)
        reach, centre = (high - low) / 2, (high + low) / 2  # (B, 2)
        shrink = (bounds / (2 * reach)).amin(1, keepdim=True).clamp(max=1)  # (B, 1)
        reach = reach * shrink
        moved = torch.minimum(torch.maximum(centre, reach), bounds - reach)
        zero, one = torch.zeros_like(shrink[:, 0]), torch.ones_like(shrink[:, 0])
        shift = moved - shrink * centre
        rows = ((shrink[:, 0], zero, shift[:, 0]), (zero, shrink[:, 0], shift[:, 1]), (zero, zero, one))
        return torch.stack([torch.stack(row, -1) for row in rows], 1) @ matrix

    def _extent(self, matrix: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """The smallest and largest (x, y) of the frame's corners in the source, (B, 2) each."""
        h, w = size
        corners = matrix.new_tensor([[0, w, 0, w], [0, 0, h, h], [1, 1, 1, 1]])
        x, y, depth = (matrix @ corners).unbind(1)  # (B, 4)
        points = torch.stack((x, y), 1) / depth.clamp(min=1e-3)[:, None]
        return points.amin(2), points.amax(2)
