"""The one antialiased warp: an image pyramid with two levels an octave, read where an output pixel's footprint lies."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate

from augstudy.augment.base import Size
from augstudy.augment.cpu import warp as compiled
from augstudy.augment.cpu.threads import alone, fits, shares, spread
from augstudy.core.build import check_choice

__all__ = ["BORDERS", "QUALITIES", "Footprint", "Pyramid"]

BORDERS = ("reflect", "black")
QUALITIES = ("default", "fine")
AN_OCTAVE = 2  # levels
SHARPER = {"default": 0.5, "fine": 1.25}  # octaves by which levels are finer than the footprint's shorter axis
ACROSS = {"default": 1, "fine": 2}  # reads over the shorter axis
ALONG = {"default": 1.0, "fine": 1.5}  # reads over the longer axis, for each time that it is as long as the shorter
MOST = 16  # reads over the longer axis at most


@dataclass(frozen=True)
class Footprint:
    """The part of the source that an output pixel stands for: an ellipse, by its two axes.

    Args:
        along, across: (..., 2) the longer and the shorter axis, in pixels of the source.
        length, width: (...,) their lengths.
    """

    along: Tensor
    across: Tensor
    length: Tensor
    width: Tensor

    @classmethod
    def of(cls, jacobian: Tensor) -> "Footprint":
        """(..., 2, 2) derivative of source by output coordinates: the singular values and left singular vectors."""
        a, b, c, d = jacobian.flatten(-2).unbind(-1)
        p, q, r = a * a + b * b, a * c + b * d, c * c + d * d
        middle, half = (p + r) / 2, torch.hypot((p - r) / 2, q)
        length = (middle + half).sqrt()
        width = (a * d - b * c).abs() / length.clamp(min=1e-12)
        angle = torch.atan2(2 * q, p - r) / 2
        cos, sin = angle.cos(), angle.sin()
        along = torch.stack((cos, sin), -1) * length[..., None]
        across = torch.stack((-sin, cos), -1) * width[..., None]
        return cls(along, across, length, width)

    def level(self, quality: str) -> Tensor:
        """Octaves down the pyramid, not yet rounded: by the shorter axis, so that no direction loses detail."""
        return (self.width.clamp(min=1e-6).log2() - SHARPER[quality]).clamp(min=0)

    def reads(self, quality: str) -> Tensor:
        """How many reads along the longer axis make up for a level chosen by the shorter one."""
        ratio = self.length / self.width.clamp(min=1)
        return (ratio * ALONG[quality]).round().clamp(1, MOST).long()


class Pyramid:
    """Images with their smaller sizes, each made when it is first needed.

    Level k is the image at 2^(-k/2) of its size: whole octaves by averaging 2 x 2 pixels, those between by a triangle
    filter over the octave before. With two levels an octave one bilinear read is within a quarter of an octave of the
    footprint, so nothing need be interpolated between levels while reading (docs/decisions.md has the figures).

    Args:
        images: (M, 3, H, W) uint8, or float in [0, 1].
    """

    def __init__(self, images: Tensor) -> None:
        self._source = images if images.dtype == torch.uint8 else images.float()
        self._levels: dict[int, Tensor] = {}

    @property
    def size(self) -> Size:
        """(height, width) of the images."""
        return self._source.shape[-2], self._source.shape[-1]

    @property
    def device(self) -> torch.device:
        """Where the pixels are."""
        return self._source.device

    @property
    def images(self) -> Tensor:
        """(M, 3, H, W) float in [0, 1]."""
        return self.level(0)

    def __len__(self) -> int:
        """M, the number of images."""
        return len(self._source)

    @property
    def depth(self) -> int:
        """The last level: it has at least 2 pixels a side, or the images have fewer."""
        octaves = max(0, min(self.size).bit_length() - 2)
        return AN_OCTAVE * octaves

    def level(self, k: int) -> Tensor:
        """(M, 3, h, w) float in [0, 1]."""
        if k not in self._levels:
            if k == 0:
                # Compiled code wants a pixel's channels side by side; floats always, so that one rounding serves all.
                x = self._source.to(torch.float32, memory_format=torch.channels_last)
                self._levels[0] = x.div_(255) if self._source.dtype == torch.uint8 else x
            elif k % AN_OCTAVE == 0:
                self._levels[k] = avg_pool2d(self.level(k - AN_OCTAVE), 2)
            else:
                octave = self.level(k - k % AN_OCTAVE)
                h, w = (max(1, round(s * 2 ** -(k % AN_OCTAVE / AN_OCTAVE))) for s in octave.shape[-2:])
                self._levels[k] = interpolate(octave, (h, w), mode="bilinear", antialias=True, align_corners=False)
        return self._levels[k]

    def warp(
        self, matrix: Tensor, out: Size, border: str = "reflect", antialias: bool = True, quality: str = "default"
    ) -> Tensor:
        """Read `out` pixels for each matrix.

        Args:
            matrix: (B, 3, 3) from output to image coordinates, affine or projective, on the CPU (where it decides what
                is read, without waiting for the device). With one image every row reads it; else row i reads image i.
            out: (height, width) of the output.
            border: what lies outside the image: "reflect" or "black".
            antialias: False reads the images themselves, as grid_sample does.
            quality: "default", or "fine" for some four times as many reads of finer levels.

        Returns:
            (B, 3, h, w) float in [0, 1].
        """
        check_choice("border", border, BORDERS)
        check_choice("quality", quality, QUALITIES)
        if len(self) not in (1, len(matrix)):
            raise ValueError(f"{len(matrix)} matrices for {len(self)} images")
        pixels = torch.empty(len(matrix), self._source.shape[1], *out, device=self.device)
        if len(matrix) == 0:
            return pixels
        with alone():
            matrix = matrix.cpu().float()
            bent = (matrix[:, 2] != matrix.new_tensor([0.0, 0.0, 1.0])).any(1)
            flat = bent.logical_not().nonzero()[:, 0]
            foot = Footprint.of(matrix[:, :2, :2])
            level, taps = self._reads(foot, antialias, quality)
        read = self._compiled if fits(pixels) else self._read
        read(pixels, flat, matrix[:, :2], foot, level, taps, border)
        for row in bent.nonzero()[:, 0].tolist():
            pixels[row] = self._projective(matrix[row], row, out, border, antialias, quality)
        return pixels

    def _reads(self, foot: Footprint, antialias: bool, quality: str) -> tuple[Tensor, Tensor]:
        """The level that each sample reads, (B,), and how often along and across its footprint, (B, 2)."""
        if not antialias:
            return foot.width.new_zeros(len(foot.width), dtype=torch.long), torch.ones(len(foot.width), 2).long()
        level = (foot.level(quality) * AN_OCTAVE).round().long().clamp(max=self.depth)
        along = foot.reads(quality)
        return level, torch.stack((along, torch.full_like(along, ACROSS[quality])), 1)

    def _scale(self, k: int) -> Tensor:
        """(2, 1) size of a pixel of the images in pixels of level k, along x and y."""
        octaves, rest = divmod(k, AN_OCTAVE)
        whole = [s >> octaves for s in self.size]  # an odd last row or column is left out of the next octave
        part = [max(1, round(s * 2 ** -(rest / AN_OCTAVE))) / s for s in whole]
        return torch.tensor([[part[1]], [part[0]]]) * 0.5**octaves

    def _compiled(
        self, pixels: Tensor, rows: Tensor, matrix: Tensor, foot: Footprint, level: Tensor, taps: Tensor, border: str
    ) -> None:
        """Fill the affine rows of `pixels` (B, 3, h, w), all samples of a level at once, on all threads."""
        with alone():
            arrays = self._arrays(matrix, foot, level, taps, border, (pixels.shape[2], pixels.shape[3]))
            groups = {k: rows[level[rows] == k].numpy() for k in level[rows].unique().tolist()}
        levels = {k: self.level(k).permute(0, 2, 3, 1).contiguous().numpy() for k in groups}
        whole, cost = pixels.numpy(), pixels[0, 0].numel()

        def work(task: tuple[int, slice]) -> None:
            k, share = task
            compiled.warp(levels[k], groups[k][share], whole, *arrays)

        spread(work, [(k, share) for k, mine in groups.items() for share in shares(len(mine), cost)])

    def _arrays(
        self, matrix: Tensor, foot: Footprint, level: Tensor, taps: Tensor, border: str, out: Size
    ) -> tuple[Any, ...]:
        """What `cpu.warp` wants to know of every sample, in pixels of its level."""
        edge = torch.where(self._inside(matrix, out), compiled.BORDERS["inside"], compiled.BORDERS[border])
        scale = torch.stack([self._scale(k) for k in range(int(level.max()) + 1)])[level]  # (B, 2, 1)
        extent = scale[..., 0] * matrix.new_tensor([self.size[1], self.size[0]])
        axes = (foot.along * scale[..., 0], foot.across * scale[..., 0])
        owner = torch.arange(len(matrix)) % len(self)
        return tuple(x.numpy() for x in (owner, matrix * scale, *axes, taps, edge, extent))

    def _inside(self, matrix: Tensor, out: Size) -> Tensor:
        """(B,) whether the whole frame reads from inside the image, but for rounding."""
        h, w = out
        corners = matrix @ matrix.new_tensor([[0, w, 0, w], [0, 0, h, h], [1, 1, 1, 1]])  # (B, 2, 4)
        bounds = matrix.new_tensor([[self.size[1]], [self.size[0]]])
        slack = 1e-3
        return ((corners > -slack) & (corners < bounds + slack)).flatten(1).all(1)

    def _read(
        self, pixels: Tensor, rows: Tensor, matrix: Tensor, foot: Footprint, level: Tensor, taps: Tensor, border: str
    ) -> None:
        """The same with torch's grid_sample, one call for each level and number of reads."""
        out = (pixels.shape[2], pixels.shape[3])
        kinds = torch.cat((level[:, None], taps), 1)[rows]
        for k, n, m in kinds.unique(dim=0).tolist():
            mine = rows[(kinds == kinds.new_tensor([k, n, m])).all(1)]
            here = self._moved(mine)
            xy = positions(self._moved(matrix[mine]), out)
            along, across = (self._moved(axis[mine])[:, None, None] for axis in (foot.along, foot.across))
            images = self.level(k)[here] if len(self) > 1 else self.level(k).expand(len(mine), -1, -1, -1)
            pixels[here] = self._mean(images, self._scale(k), xy, along, across, n, m, border)

    def _projective(self, matrix: Tensor, row: int, out: Size, border: str, antialias: bool, quality: str) -> Tensor:
        """One sample whose footprint changes from pixel to pixel: read between the two levels that fit each of them."""
        xy, jacobian = projected(matrix[None], out)
        foot = Footprint.of(jacobian)
        level = (foot.level(quality) * AN_OCTAVE * antialias).clamp(max=self.depth)
        n, m = (int(foot.reads(quality).max()), ACROSS[quality]) if antialias else (1, 1)
        xy, here, along, across = (self._moved(t) for t in (xy, level[:, None], foot.along, foot.across))
        which = row if len(self) > 1 else 0
        total = torch.zeros(1, self._source.shape[1], *out, device=self.device)
        for k in range(int(level.min()), int(level.max().ceil()) + 1):
            share = (1 - (here - k).abs()).clamp(min=0)
            images = self.level(k)[which : which + 1]
            total += share * self._mean(images, self._scale(k), xy, along, across, n, m, border)
        return total[0]

    def _moved(self, x: Tensor) -> Tensor:
        return x.to(self.device, non_blocking=True)

    def _mean(
        self, images: Tensor, scale: Tensor, xy: Tensor, along: Tensor, across: Tensor, n: int, m: int, border: str
    ) -> Tensor:
        """The mean of n x m reads spread over each pixel's footprint: (B, C, h, w)."""
        total = torch.zeros(len(xy), images.shape[1], *xy.shape[1:3], device=self.device)
        for j in range(m):
            for i in range(n):
                at = xy + along * ((i + 0.5) / n - 0.5) + across * ((j + 0.5) / m - 0.5)
                total += self._bilinear(images, at, scale, border) / (n * m)
        return total * self._seen(xy) if border == "black" else total

    def _seen(self, xy: Tensor) -> Tensor:
        """(B, 1, h, w) whether a pixel's centre lies inside the image."""
        (x, y), (height, width) = xy.unbind(-1), self.size
        return ((x >= 0) & (x <= width) & (y >= 0) & (y <= height))[:, None]

    def _bilinear(self, images: Tensor, xy: Tensor, scale: Tensor, border: str) -> Tensor:
        """Read a level at (B, h, w, 2) pixels of the images, the edge repeated beyond it: (B, C, h, w).

        Plain numbers, no tensor made from them: that would wait for the device.
        """
        grid = []
        for axis, size in enumerate((self.size[1], self.size[0])):
            x = xy[..., axis]
            if border == "reflect":  # those beyond a black border are blackened later
                x = torch.remainder(x, 2 * size)
                x = torch.minimum(x, 2 * size - x)
            grid.append(x * (2 * scale[axis].item() / images.shape[3 - axis]) - 1)
        return grid_sample(images, torch.stack(grid, -1), "bilinear", "border", align_corners=False)


def positions(matrix: Tensor, out: Size) -> Tensor:
    """Where each output pixel's centre lies: (B, 2, 3), affine -> (B, h, w, 2)."""
    y = torch.arange(out[0], device=matrix.device) + 0.5
    x = torch.arange(out[1], device=matrix.device) + 0.5
    along = matrix[:, :, 0, None] * x  # (B, 2, w)
    down = matrix[:, :, 1, None] * y + matrix[:, :, 2:]  # (B, 2, h)
    return (along[:, :, None, :] + down[:, :, :, None]).permute(0, 2, 3, 1)


def projected(matrix: Tensor, out: Size) -> tuple[Tensor, Tensor]:
    """Where each output pixel's centre lies, and its derivative: (B, 3, 3) -> (B, h, w, 2), (B, h, w, 2, 2)."""
    ys, xs = torch.meshgrid(torch.arange(out[0]) + 0.5, torch.arange(out[1]) + 0.5, indexing="ij")
    points = torch.stack((xs, ys, torch.ones_like(xs)), -1)  # (h, w, 3)
    x, y, w = (points @ matrix.mT[:, None]).unbind(-1)  # (B, h, w)
    w = w.clamp(min=1e-6)  # what lies behind the horizon is far away
    xy = torch.stack((x / w, y / w), -1)
    top = matrix[:, None, None, :2, :2]
    jacobian = (top - xy[..., None] * matrix[:, None, None, 2:, :2]) / w[..., None, None]
    return xy, jacobian
