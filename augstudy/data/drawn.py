"""Some images of a set, drawn by seed: what a corpus of N images is cut from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from augstudy.core import rng
from augstudy.core.errors import UserError, printable
from augstudy.core.store import digest
from augstudy.data.catalogue import sha256_of
from augstudy.data.datasets.base import Labelled, Split
from augstudy.data.images import MIN_SIDE, content_of
from augstudy.data.paths import image_files
from augstudy.data.preflight import files_of, sound

__all__ = ["Drawn", "Part", "from_folder", "from_split"]


@dataclass(frozen=True)
class Part:
    """Some images of a split, numbered anew: a split of its own.

    Args:
        split: the whole.
        numbers: (n,) int64, images of it.
    """

    split: Split
    numbers: Tensor

    @property
    def labels(self) -> Tensor:
        return self.split.labels[self.numbers]

    def __len__(self) -> int:
        return len(self.numbers)

    def images(self, index: Tensor) -> Tensor:
        return self.split.images(self.numbers[index])


@dataclass(frozen=True)
class Drawn:
    """Images of a set in the order in which they were drawn.

    Crop i of a corpus is cut from image i mod n, so where there are more images than crops the first ones drawn are
    seen, and the others are not.

    Args:
        images: what a `Corpus` is made of.
        names: the numbers of the images in their set, or their paths in their folder.
        origin: the set, for tables.
        total: images in it.
        content: names the pixels.
        skipped: what is wrong with each image that was drawn but left out, a line each.
    """

    images: Split | Sequence[Path]
    names: tuple[int, ...] | tuple[str, ...]
    origin: str
    total: int
    content: str
    skipped: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Such as `10 images of cifar10`."""
        count = "all" if self.whole else f"{len(self.names):,}"
        return f"{count} images of {self.origin}"

    def unseen(self, crops: int) -> str:
        """A few words where a corpus has too few crops to show all of these images; "" where it has enough."""
        count = len(self.names)
        return f"{crops:,} of {count:,} images are seen (corpus.count)" if crops < count else ""

    def facts(self, crops: int) -> dict[str, Any]:
        """For `run.yaml`, of a corpus of so many crops: of a set that is used whole, the order is not told."""
        names = "all" if self.whole else list(self.names)
        facts = {"origin": self.origin, "total": self.total, "images": names, "seen": min(crops, len(self.names))}
        return {**facts, "skipped": list(self.skipped)} if self.skipped else facts

    @property
    def whole(self) -> bool:
        """Whether every image of the set is in it that can be used."""
        return len(self.names) + len(self.skipped) == self.total


def from_split(labelled: Labelled, count: int | None, seed: int) -> Drawn:
    """`count` training images of a labelled set, or all of them for None; no label is looked at.

    Raises:
        UserError: there are fewer.
    """
    numbers = draw(count, len(labelled.train), seed, f"the training part of {labelled.label}")
    names = tuple(numbers.tolist())
    content = f"{labelled.fingerprint} {digest(names)}"
    return Drawn(Part(labelled.train, numbers), names, labelled.label, len(labelled.train), content)


def from_folder(folder: Path, count: int | None, seed: int, bad_files: str = "stop") -> Drawn:
    """The same of the image files in a folder and its subfolders, whatever their sizes.

    Args:
        bad_files: what is done about files that cannot be read: `stop`, or `skip` to draw the next one instead.

    Raises:
        UserError: there is no such folder, there are fewer images in it, or some that are drawn cannot be read.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}", "Set data.folder to a folder of images.")
    files = image_files(folder)
    wanted = len(draw(count, len(files), seed, f"the folder {folder}"))
    order = draw(None, len(files), seed, "").numpy()
    kept, skipped, at = order[:0], list[str](), 0
    while len(kept) < wanted and at < len(order):  # by `skip`, the next in order take the place of bad ones
        block = order[at : at + wanted - len(kept)]
        tried = files.chosen(block)
        good, lines = sound(files_of(tried, MIN_SIDE), bad_files, str(folder), tried.content + tried.stamp)
        kept, at = np.concatenate([kept, block[good]]), at + len(block)
        skipped += lines
    if len(kept) < (count or 1):
        what = f"{count or 1:,} images are asked of the folder {folder}, which has {len(kept):,} that can be used"
        raise UserError(what, "`augstudy data check PATH` lists what is wrong with the others.")
    chosen = files.chosen(kept)
    names = tuple(printable(name) for name, _ in chosen.listed())
    content = digest([content_of(path, sha256_of(path)) for path in chosen])
    return Drawn(chosen, names, printable(str(folder)), len(files), content, tuple(skipped))


def draw(count: int | None, total: int, seed: int, where: str) -> Tensor:
    """(count,) int64 numbers of `total`, in a keyed order: of one seed, fewer images are the first of more."""
    if total == 0:
        raise UserError(f"there is no image in {where}", "Name a place that has some.")
    if count is not None and count > total:
        raise UserError(f"{count:,} images are asked of {where}, which has {total:,}", "Ask for fewer, or for all.")
    return rng.permutation(seed, "data/images", total)[:count]
