"""Labelled images as probes that train see them: cropped and flipped anew in every epoch, and ten crops in the end."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from augstudy.augment.views.standard import Standard
from augstudy.core import rng
from augstudy.data.corpus import Whole
from augstudy.data.datasets.base import Split, Stored
from augstudy.learn.backbones.base import signed

__all__ = ["Augmented", "ten_crops"]

MARGIN = 256 / 224  # of the image that ten crops are taken from, over the crop


@dataclass(frozen=True)
class Augmented:
    """Some images of a split, a random resized crop and flip of each in every epoch.

    Args:
        split, index: which images.
        scale: bounds of a crop's area as a share of the image's; torchvision's and the protocols' (0.08, 1).
        device: where views are made.
    """

    split: Split
    index: Tensor
    device: torch.device
    scale: tuple[float, float] = (0.08, 1.0)

    @cached_property
    def _pixels(self) -> Tensor:
        return self.split.images(self.index)

    @cached_property
    def _source(self) -> Whole:
        stored = Stored(self._pixels, self.split.labels[self.index])
        return Whole(stored, self._pixels.shape[-1], 0, self.device, reserve=0)

    def epoch(self, epoch: int, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Pixels in [-1, 1] (B, 3, h, w) and labels (B,), in a keyed order; a last, smaller batch is left out."""
        source = self._source
        view = Standard(size=self._pixels.shape[-1], scale=self.scale, jitter_p=0, gray_p=0, blur_p=0)
        order, batch = rng.permutation(0, "probe/order", len(self.index), epoch), min(batch, len(self.index))
        for some in order[: len(order) // batch * batch].split(batch):
            x = signed(source.view(some, view.graph(), epoch)).contiguous(memory_format=torch.channels_last)
            yield x, source.labels(some)


def ten_crops(pixels: Tensor) -> list[Tensor]:
    """The four corners, the centre and their mirror images, of the images enlarged by 256 / 224.

    Args:
        pixels: (B, 3, h, h) uint8.

    Returns:
        ten tensors of the same shape.

    Source: Krizhevsky et al., NeurIPS 2012, section 4.1; sizes as for 224 px.
    """
    side = pixels.shape[-1]
    larger = tv.resize(pixels, [round(MARGIN * side)], interpolation=tv.InterpolationMode.BILINEAR, antialias=True)
    return list(tv.ten_crop(larger, [side, side]))
