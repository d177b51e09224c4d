"""Folder: images sorted into one folder a class, the ImageFolder layout."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.core.errors import UserError, printable
from augstudy.data.datasets.base import Decoded, Labelled, fingerprint, fit
from augstudy.data.images import decode_image
from augstudy.data.paths import Paths, image_files
from augstudy.data.preflight import Files, check_policy, sound

__all__ = ["Folder"]

TEST_SHARE = 0.2  # of each class, where the folder has no test split
THREADS = 4  # JPEG decoding releases Python's lock


@dataclass(frozen=True)
class Folder:
    """root/{train,test or val}/<class>/**/*.jpg, or root/<class>/**/*.jpg with a keyed 80/20 split of each class.

    Args:
        root: the folder.
        size: px; images are scaled by the short side and cropped to the centre, when they are asked for.
        seed: of the split, if the folder has none; stream `folder/<class>`.
        bad_files: what is done about files that cannot be read: `stop` names them all at once, `skip` leaves them out.
    """

    root: str = ""
    size: int = 32
    seed: int = 0
    bad_files: str = "stop"

    def __post_init__(self) -> None:
        check_range("size", self.size, 1)
        check_range("seed", self.seed, 0)
        check_policy(self.bad_files)

    def load(self) -> Labelled:
        """List the files and look at each of them (see `preflight`).

        Raises:
            UserError: no such folder, fewer than two classes, a class without images, splits with other classes, or
                files that cannot be read.
        """
        if not self.root:
            raise UserError("root is not set", "Set root to a folder with one folder of images a class.")
        root = Path(self.root).expanduser()
        train, test, note = self._listed(root)
        print_ = fingerprint("folder 2", train.files.content, test.files.content, self.size)
        train, test, skipped = self._sifted(train, test, root, print_)
        return Labelled(
            name="folder",
            train=self._split(train),
            test=self._split(test),
            classes=tuple(printable(name) for name in train.classes),
            note=printable(note),
            fingerprint=fingerprint(print_, skipped) if skipped else print_,
            skipped=skipped,
        )

    def _listed(self, root: Path) -> tuple["Listing", "Listing", str]:
        held_out = next((name for name in ("test", "val") if (root / name).is_dir()), None)
        if (root / "train").is_dir() and held_out:
            train, test = listing(root, "train"), listing(root, held_out)
            if train.classes != test.classes:
                odd = sorted({*train.classes} ^ {*test.classes})
                raise UserError(
                    f"{root / 'train'} and {root / held_out} do not have the same classes: {', '.join(odd)}",
                    "Give both splits one folder for each class.",
                )
            return train, test, f"{root.name}, tested on its {held_out} split"
        every = listing(root)
        halves = [self._halves(every, k) for k in range(len(every.classes))]
        train, test = (every.chosen(np.concatenate(side)) for side in zip(*halves, strict=True))
        return train, test, f"{root.name}, tested on a fifth of each class drawn with seed {self.seed}"

    def _halves(self, every: "Listing", k: int) -> tuple[Any, Any]:
        """Positions of the training and the test files of a class, ascending."""
        name, (start, stop) = every.classes[k], np.searchsorted(every.labels, [k, k + 1])
        if stop - start < 2:
            what = f"class {name!r} has one image, {every.files[int(start)]}"
            raise UserError(what, "Give it two or more, or make a test split.")
        cut = max(1, round(TEST_SHARE * int(stop - start)))
        order = rng.permutation(self.seed, f"folder/{printable(name)}", int(stop - start)).numpy() + start
        return np.sort(order[cut:]), np.sort(order[:cut])

    def _sifted(
        self, train: "Listing", test: "Listing", root: Path, content: str
    ) -> tuple["Listing", "Listing", tuple[str, ...]]:
        """Both splits without the files that cannot be read, and what is wrong with those."""
        first, second = train.files, test.files

        def path(i: int) -> Path:
            return first[i] if i < len(first) else second[i - len(first)]

        weight = int(first.sizes.sum() + second.sizes.sum())
        files = Files(len(first) + len(second), path, lambda i: str(path(i)), weight)
        keep, skipped = sound(files, self.bad_files, str(root), content + first.stamp + second.stamp)
        if not skipped:
            return train, test, ()
        left = train.chosen(keep[keep < len(first)]), test.chosen(keep[keep >= len(first)] - len(first))
        for split in left:
            counts = np.bincount(split.labels, minlength=len(split.classes))
            if empty := [name for name, count in zip(split.classes, counts, strict=True) if not count]:
                what = f"{root}: no image of these classes can be used in one of the splits: {', '.join(empty)}"
                raise UserError(what, "`augstudy data check PATH` lists what is wrong with each file.")
        return *left, skipped

    def _split(self, split: "Listing") -> Decoded:
        return Decoded(Opened(split.files, self.size), torch.from_numpy(split.labels), self.size, THREADS)


@dataclass(frozen=True)
class Opened:
    """Opens file i of `files`: -> (3, size, size) uint8."""

    files: Paths
    size: int

    def __call__(self, i: int) -> Tensor:
        path = self.files[i]
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror})", "Mend it, or take it out.") from None
        return fit(decode_image(content, str(path)), self.size)


@dataclass(frozen=True)
class Listing:
    """Files with the class of each: `labels` are (N,) int64, ascending."""

    classes: tuple[str, ...]
    files: Paths
    labels: Any

    def chosen(self, index: Any) -> "Listing":
        """Some of them, by position."""
        return Listing(self.classes, self.files.chosen(index), self.labels[index])


def listing(root: Path, below: str = "") -> Listing:
    """The image files of each class, both in ascending order; what starts with a dot is not looked at.

    Raises:
        UserError: as Folder.load.
    """
    folder = root / below
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}", "Set root to a folder with one folder of images a class.")
    classes = tuple(sorted(c.name for c in folder.iterdir() if c.is_dir() and not c.name.startswith(".")))
    if len(classes) < 2:
        raise UserError(
            f"{folder} has {len(classes)} folders of images", "Give it one for each of two or more classes."
        )
    files, head = image_files(root, below), len(below) + 1 if below else 0
    number = {name: k for k, name in enumerate(classes)}
    tops = (name[head:].partition("/") for name, _ in files.listed())
    labels = np.fromiter((number.get(top, -1) if slash else -1 for top, slash, _ in tops), np.int64, len(files))
    counts = np.bincount(labels[labels >= 0], minlength=len(classes))
    if empty := [name for name, count in zip(classes, counts, strict=True) if not count]:
        raise UserError(f"{folder} has classes without an image: {', '.join(empty)}", "Fill or remove those folders.")
    inside = np.flatnonzero(labels >= 0)
    return Listing(classes, files.chosen(inside), labels[inside])
