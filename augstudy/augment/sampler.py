"""The one antialiased warp: an image pyramid in one atlas, read between the two levels that fit."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from augstudy.augment.base import Size

__all__ = ["Pyramid"]


@dataclass(frozen=True)
class Pyramid:
    """Images with their area-averaged half, quarter, ... sizes, side by side in one tensor.

    One atlas lets a batch whose crops need different levels be read in a single call, without sorting it by level and
    without waiting for the device.

    Args:
        atlas: (M, 3, Ha, Wa) float in [0, 1].
        sizes: (height, width) of each level, the finest first.
        corners: (y, x) of each level in the atlas.
    """

    atlas: Tensor
    sizes: tuple[Size, ...]
    corners: tuple[Size, ...]

    @classmethod
    def of(cls, images: Tensor) -> "Pyramid":
        """(M, 3, H, W) uint8, or float in [0, 1]."""
        level = images.float() / 255 if images.dtype == torch.uint8 else images
        levels = [level]
        while min(level.shape[-2:]) >= 4:
            level = avg_pool2d(level, 2)
            levels.append(level)
        sizes = tuple((x.shape[-2], x.shape[-1]) for x in levels)
        corners, y = [(0, 0)], 0
        for h, _ in sizes[1:]:
            corners.append((y, sizes[0][1]))
            y += h
        height = max(sizes[0][0], y)
        width = sizes[0][1] + (sizes[1][1] if len(sizes) > 1 else 0)
        atlas = images.new_zeros((len(images), 3, height, width), dtype=torch.float32)
        for x, (h, w), (top, left) in zip(levels, sizes, corners, strict=True):
            atlas[:, :, top : top + h, left : left + w] = x
        return cls(atlas, sizes, tuple(corners))

    @property
    def size(self) -> Size:
        """(height, width) of the images."""
        return self.sizes[0]

    @property
    def images(self) -> Tensor:
        """(M, 3, H, W) float in [0, 1], a view of the atlas."""
        return self.atlas[..., : self.size[0], : self.size[1]]

    def warp(self, matrix: Tensor, out: Size, border: str = "reflect", antialias: bool = True) -> Tensor:
        """Read `out` pixels for each matrix.

        Args:
            matrix: (B, 3, 3), affine, from output to image coordinates. With one image every row reads it; else
                row i reads image i.
            out: (height, width) of the output.
            border: what lies outside the image: "reflect" or "black".
            antialias: False reads the finest level only, as grid_sample does.

        Returns:
            (B, 3, h, w) float in [0, 1].
        """
        xy = self._positions(matrix, out)  # (B, h, w, 2)
        inside = None
        if border == "black":
            bounds = xy.new_tensor([self.size[1], self.size[0]])
            inside = ((xy >= 0) & (xy <= bounds)).all(-1)[:, None]
        xy = self._reflect(xy)
        pixels = self._trilinear(xy, self._level(matrix)) if antialias else self._read(xy, matrix.new_zeros(len(xy)))
        return pixels if inside is None else pixels * inside

    def _positions(self, matrix: Tensor, out: Size) -> Tensor:
        y = torch.arange(out[0], device=matrix.device) + 0.5
        x = torch.arange(out[1], device=matrix.device) + 0.5
        along = matrix[:, :2, 0, None] * x  # (B, 2, w)
        down = matrix[:, :2, 1, None] * y + matrix[:, :2, 2:]  # (B, 2, h)
        return (along[:, :, None, :] + down[:, :, :, None]).permute(0, 2, 3, 1)

    def _reflect(self, xy: Tensor) -> Tensor:
        """Fold coordinates back at the image's edges, as a mirror does."""
        bounds = xy.new_tensor([self.size[1], self.size[0]])
        folded = torch.remainder(xy, 2 * bounds)
        return torch.minimum(folded, 2 * bounds - folded)

    def _level(self, matrix: Tensor) -> Tensor:
        """(B,) level whose pixels are as large as the output's, by the smaller singular value of the Jacobian.

        The smaller one keeps all detail of a slanted crop, at the price of some aliasing along its other axis.
        """
        a, b, c, d = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 0], matrix[:, 1, 1]
        total = (a * a + b * b + c * c + d * d) / 2
        spread = (total.square() - (a * d - b * c).square()).clamp(min=0).sqrt()
        return (total - spread).clamp(min=1).log2().div(2).clamp(0, len(self.sizes) - 1)

    def _trilinear(self, xy: Tensor, level: Tensor) -> Tensor:
        fine = level.floor()
        coarse = (fine + 1).clamp(max=len(self.sizes) - 1)
        share = (level - fine).view(-1, 1, 1, 1)
        return torch.lerp(self._read(xy, fine), self._read(xy, coarse), share)

    def _read(self, xy: Tensor, level: Tensor) -> Tensor:
        """Bilinear at one whole level for each sample: (B, h, w, 2), (B,) -> (B, 3, h, w)."""
        which = level.long()
        table = xy.new_tensor([(h, w, y, x) for (h, w), (y, x) in zip(self.sizes, self.corners, strict=True)])
        h, w, top, left = table[which].unbind(1)
        bounds = torch.stack((w, h), 1)[:, None, None] - 0.5
        # Half a pixel from the edge, all four taps lie inside the level and none in its neighbour.
        at = torch.minimum((xy * (0.5**level).view(-1, 1, 1, 1)).clamp(min=0.5), bounds)
        at = at + torch.stack((left, top), 1)[:, None, None]
        atlas = self.atlas.expand(len(xy), -1, -1, -1)
        extent = xy.new_tensor([atlas.shape[-1], atlas.shape[-2]])
        return grid_sample(atlas, at * (2 / extent) - 1, mode="bilinear", align_corners=False)
