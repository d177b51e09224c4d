"""The image files of a folder, a million of them in little memory, in the same order on every machine."""

import hashlib
import json
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from stat import S_ISREG
from typing import Any, overload

import numpy as np

from augstudy.core.errors import UserError
from augstudy.core.notes import say_once
from augstudy.core.progress import progress

__all__ = ["ENDINGS", "Paths", "image_files"]

ENDINGS = frozenset(
    (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp", ".avif", ".heic", ".heif")
)
BROKEN = -1  # the size of a link to nothing


class Paths(Sequence[Path]):
    """Files below a folder: names as one run of bytes, so that 1.2 million take 100 MB at most, not a GB of `Path`s.

    Args:
        root: the folder.
        names: their names below it, one after the other, as the system spells them.
        ends: (M,) int64, where each of them ends in `names`.
        sizes: (M,) int64 bytes; -1 for a link to nothing.
        numbers: (N,) int64, which of the M these are.
        stamp: the sha256 of when each of the M was last written to; another after any of them was.
    """

    def __init__(self, root: Path, names: bytes, ends: Any, sizes: Any, numbers: Any = None, stamp: str = "") -> None:
        self.root, self.names, self.ends, self.every, self.stamp = root, names, ends, sizes, stamp
        self.numbers = np.arange(len(ends)) if numbers is None else numbers

    @classmethod
    def of(cls, root: Path, found: Iterable[tuple[str, int, int]]) -> "Paths":
        """From names, sizes and times of writing in ns, which are asked for one by one."""
        names, ends, sizes, stamp = bytearray(), array("q"), array("q"), hashlib.sha256()
        for name, size, written in found:
            names += os.fsencode(name)
            ends.append(len(names))
            sizes.append(size)
            stamp.update(b"%d " % written)
        return cls(root, bytes(names), np.array(ends, np.int64), np.array(sizes, np.int64), stamp=stamp.hexdigest())

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, i: int) -> Path: ...

    @overload
    def __getitem__(self, i: slice) -> "Paths": ...

    def __getitem__(self, i: int | slice) -> "Path | Paths":
        return self.taken(self.numbers[i]) if isinstance(i, slice) else self.root / self.name(i)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Paths) and self.root == other.root and list(self.listed()) == list(other.listed())

    def __hash__(self) -> int:
        return hash((self.root, len(self)))

    def name(self, i: int) -> str:
        """File i below the root, with slashes."""
        number = int(self.numbers[i])
        start = int(self.ends[number - 1]) if number else 0
        return os.fsdecode(self.names[start : int(self.ends[number])])

    @property
    def sizes(self) -> Any:
        """(N,) int64 bytes; -1 for a link to nothing."""
        return self.every[self.numbers]

    def listed(self) -> Iterator[tuple[str, int]]:
        """Name and size of each file."""
        for i, size in enumerate(self.sizes.tolist()):
            yield self.name(i), size

    @property
    def content(self) -> str:
        """The sha256 of names and sizes, in hexadecimal."""
        sha = hashlib.sha256()
        for name, size in self.listed():
            sha.update(json.dumps([name, size]).encode())
        return sha.hexdigest()

    def chosen(self, index: Any) -> "Paths":
        """Some of these files, by their positions: (n,) whole numbers."""
        return self.taken(self.numbers[np.asarray(index, np.int64)])

    def taken(self, numbers: Any) -> "Paths":
        """The files with these numbers, which share their names with those of `self`."""
        return Paths(self.root, self.names, self.ends, self.every, numbers, self.stamp)


def image_files(root: Path, below: str = "") -> Paths:
    """Image files in a folder and its subfolders in ascending order, but for what starts with a dot.

    Links are followed, but not into a folder that they lie in. A link to nothing is in the list, for it is a file that
    somebody misses. One folder's names are held at a time.

    Args:
        below: a subfolder to look into; names are told from `root` all the same.

    Raises:
        UserError: a folder cannot be read.
    """
    with progress(f"files in {root / below}") as step:

        def counted() -> Iterator[tuple[str, int, int]]:
            for number, found in enumerate(_walk(str(root), below), 1):
                step(number, 0)
                yield found

        return Paths.of(root, counted())


def _walk(root: str, below: str) -> Iterator[tuple[str, int, int]]:
    """Name below `root`, size and time of writing of each image file, depth first, the names of each folder sorted."""
    above = [_identity(os.path.join(root, below))]  # noqa: PTH118 (Path takes six times as long, a million times)
    stack = [_entries(root, below)]
    while stack:
        name, is_folder = next(stack[-1], ("", False))
        if not name:
            stack.pop()
            above.pop()
        elif not is_folder:
            if (found := _size(os.path.join(root, name))) is not None:  # noqa: PTH118
                yield name, *found
        elif (identity := _identity(os.path.join(root, name))) in above:  # noqa: PTH118
            say_once("loop", f"{root}/{name} leads back to a folder that it lies in: not followed; said once")
        else:
            above.append(identity)
            stack.append(_entries(root, name))


def _entries(root: str, below: str) -> Iterator[tuple[str, bool]]:
    """Folders and what is named like an image in one folder, sorted: name below `root`, whether it is a folder."""
    found: list[tuple[str, bool]] = []
    folder = os.path.join(root, below)  # noqa: PTH118
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                is_folder = _is_folder(entry)
                if not entry.name.startswith(".") and (is_folder or _ending(entry.name) in ENDINGS):
                    found.append((entry.name, is_folder))
    except OSError as error:
        raise UserError(
            f"{folder} cannot be listed ({error.strerror})", "Mend its permissions, or take it out."
        ) from None
    found.sort()
    head = f"{below}/" if below else ""
    yield from ((head + name, is_folder) for name, is_folder in found)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122


def _size(path: str) -> tuple[int, int] | None:
    """Bytes of a file and when it was written, -1 for a link to nothing, None for what is no file, such as a pipe."""
    try:
        found = os.stat(path)  # noqa: PTH116
    except OSError:
        return BROKEN, 0
    return (found.st_size, found.st_mtime_ns) if S_ISREG(found.st_mode) else None


def _identity(path: str) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116
    return found.st_dev, found.st_ino
