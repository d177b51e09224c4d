"""Folder: images sorted into one folder a class, the ImageFolder layout."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.core.errors import UserError
from augstudy.data.datasets.base import Decoded, Labelled, fingerprint, fit
from augstudy.data.images import decode_image

__all__ = ["Folder", "image_files"]

TEST_SHARE = 0.2  # of each class, where the folder has no test split
THREADS = 4  # JPEG decoding releases Python's lock


@dataclass(frozen=True)
class Folder:
    """root/{train,test or val}/<class>/**/*.jpg, or root/<class>/**/*.jpg with a keyed 80/20 split of each class.

    Args:
        root: the folder.
        size: px; images are scaled by the short side and cropped to the centre, when they are asked for.
        seed: of the split, if the folder has none; stream `folder/<class>`.
    """

    root: str = ""
    size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("size", self.size, 1)
        check_range("seed", self.seed, 0)

    def load(self) -> Labelled:
        """List the files; none is decoded yet.

        Raises:
            UserError: no such folder, fewer than two classes, a class without images, or splits with other classes.
        """
        if not self.root:
            raise UserError("root is not set", "Set root to a folder with one folder of images a class.")
        root = Path(self.root).expanduser()
        train, test, note = self._listed(root)
        classes = tuple(train)
        facts = [[[str(f.relative_to(root)), f.stat().st_size] for f in _flat(split)] for split in (train, test)]
        return Labelled(
            name="folder",
            train=self._split(train),
            test=self._split(test),
            classes=classes,
            note=note,
            fingerprint=fingerprint("folder 1", facts, self.size),
        )

    def _listed(self, root: Path) -> tuple["Listing", "Listing", str]:
        held_out = next((root / name for name in ("test", "val") if (root / name).is_dir()), None)
        if (root / "train").is_dir() and held_out:
            train, test = listing(root / "train"), listing(held_out)
            if train.keys() != test.keys():
                odd = sorted(train.keys() ^ test.keys())
                raise UserError(
                    f"{root / 'train'} and {held_out} do not have the same classes: {', '.join(odd)}",
                    "Give both splits one folder for each class.",
                )
            return train, test, f"{root.name}, tested on its {held_out.name} split"
        every = listing(root)
        halves = {name: self._halves(name, files) for name, files in every.items()}
        train, test = ({name: pair[k] for name, pair in halves.items()} for k in (0, 1))
        return train, test, f"{root.name}, tested on a fifth of each class drawn with seed {self.seed}"

    def _halves(self, name: str, files: list[Path]) -> tuple[list[Path], list[Path]]:
        if len(files) < 2:
            raise UserError(f"class {name!r} has one image, {files[0]}", "Give it two or more, or make a test split.")
        cut = max(1, round(TEST_SHARE * len(files)))
        order = rng.permutation(self.seed, f"folder/{name}", len(files)).tolist()
        return [files[i] for i in sorted(order[cut:])], [files[i] for i in sorted(order[:cut])]

    def _split(self, split: "Listing") -> Decoded:
        labels = torch.tensor([k for k, files in enumerate(split.values()) for _ in files], dtype=torch.int64)
        return Decoded(Opened(tuple(_flat(split)), self.size), labels, self.size, THREADS)


Listing = dict[str, list[Path]]


@dataclass(frozen=True)
class Opened:
    """Opens file i of `files`: -> (3, size, size) uint8."""

    files: tuple[Path, ...]
    size: int

    def __call__(self, i: int) -> Tensor:
        path = self.files[i]
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror})", "Mend it, or take it out.") from None
        return fit(decode_image(content, str(path)), self.size)


def _flat(split: Listing) -> list[Path]:
    return [file for files in split.values() for file in files]


def listing(folder: Path) -> Listing:
    """The image files of each class, both in ascending order; what starts with a dot is not looked at.

    Raises:
        UserError: as Folder.load.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}", "Set root to a folder with one folder of images a class.")
    found = {
        child.name: sorted(image_files(child))
        for child in sorted(folder.iterdir())
        if child.is_dir() and not child.name.startswith(".")
    }
    if len(found) < 2:
        raise UserError(f"{folder} has {len(found)} folders of images", "Give it one for each of two or more classes.")
    if empty := [name for name, files in found.items() if not files]:
        raise UserError(f"{folder} has classes without an image: {', '.join(empty)}", "Fill or remove those folders.")
    return found


def image_files(folder: Path) -> list[Path]:
    """Image files in a folder and its subfolders, but for what starts with a dot; in no order."""
    return [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMG_EXTENSIONS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]
