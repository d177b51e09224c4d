"""The images that crops are cut from: a few or many of any size, or a labelled set's, decoded when they are needed."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from augstudy.augment.sampler import Pyramid
from augstudy.core.errors import UserError
from augstudy.core.transfer import sent
from augstudy.data.datasets.base import Split
from augstudy.data.images import load_image
from augstudy.data.paths import Paths

__all__ = ["Gallery", "Loose", "Stacked", "gallery"]

KEEP_BYTES = 1 << 30  # of pyramids, held ready between batches (1 GiB)
PYRAMID_BYTES = 10  # for each byte of an image: itself, float32, and as much again for the levels of half octaves


class Gallery(ABC):
    """Numbered images, read through their pyramids."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def groups(self, which: Tensor, device: torch.device) -> Iterator[tuple[Tensor, Pyramid]]:
        """Split a batch into parts that one call of a graph can read.

        Args:
            which: (B,) int64 on the CPU, the image of each sample.

        Yields:
            The positions in the batch, (b,) int64, and the pyramid to read them from: of one image, or of one each.
        """


class Loose(Gallery):
    """Images of any size, each with a pyramid of its own.

    Pyramids of the first images asked for are kept until `keep` bytes are full; those of the others are made when
    needed and dropped. All our orders ask for every image equally often, so no rule of eviction keeps more of them at
    hand, and the least recently used would keep none at all when images are asked for in turn.

    Args:
        images: (3, H, W) uint8, or paths that are read when first needed.
        keep: bytes of pyramids to keep.
    """

    def __init__(self, images: Sequence[Tensor | Path], keep: int = KEEP_BYTES) -> None:
        self.images, self.keep = images if isinstance(images, Paths) else tuple(images), keep
        self.kept: dict[tuple[int, torch.device], Pyramid] = {}
        self.bytes = 0
        self.lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.images)

    def __getstate__(self) -> dict[str, Any]:
        """A worker gets the images or their paths, and makes its own pyramids."""
        return {"images": self.images, "keep": self.keep}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def pyramid(self, number: int, device: torch.device) -> Pyramid:
        """The pyramid of one image.

        Raises:
            UserError: its file cannot be read.
        """
        with self.lock:
            if found := self.kept.get((number, device)):
                return found
        image = self.images[number]
        pixels = load_image(image) if isinstance(image, Path) else image
        made, size = Pyramid(sent(pixels[None], device)), PYRAMID_BYTES * pixels.nbytes
        with self.lock:
            # One image is always kept: it would be read again for the next batch.
            if (number, device) not in self.kept and (not self.kept or self.bytes + size <= self.keep):
                self.kept[number, device] = made
                self.bytes += size
        return made

    def groups(self, which: Tensor, device: torch.device) -> Iterator[tuple[Tensor, Pyramid]]:
        for number in which.unique().tolist():
            yield (which == number).nonzero()[:, 0], self.pyramid(number, device)


class Stacked(Gallery):
    """The images of a split, all of one size: every batch is one stack of pyramids, made on the device.

    Args:
        split: its labels are not looked at.
    """

    def __init__(self, split: Split) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split)

    def groups(self, which: Tensor, device: torch.device) -> Iterator[tuple[Tensor, Pyramid]]:
        yield torch.arange(len(which)), Pyramid(sent(self.split.images(which), device))


def gallery(images: Tensor | Sequence[Tensor | Path] | Split | Gallery) -> Gallery:
    """One image (3, H, W) uint8, several images or paths, or a split, as a gallery.

    Raises:
        UserError: there is no image in it.
    """
    if isinstance(images, Gallery):
        found = images
    elif isinstance(images, Tensor):
        found = Loose([images])
    elif isinstance(images, Sequence):
        found = Loose(images)
    else:
        found = Stacked(images)
    if not len(found):
        raise UserError("a corpus of no images", "Give it at least one image.")
    return found
