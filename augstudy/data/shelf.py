"""Where exported crops lie, whatever the format: parts of them, each written whole or not at all."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from augstudy.data.encoding import Encoding

__all__ = ["Add", "Part", "Shelf", "Tally", "settle"]

Add = Callable[[int, list[bytes]], None]  # takes the number of the first crop, and the files of it and of the next ones


@dataclass(frozen=True)
class Part:
    """Crops `first` to `stop` - 1, which are written together."""

    number: int
    first: int
    stop: int


class Tally:
    """Length and checksum of what was written."""

    def __init__(self) -> None:
        self.sha, self.bytes = hashlib.sha256(), 0

    def __call__(self, content: bytes) -> bytes:
        """Count `content` and hand it on."""
        self.sha.update(content)
        self.bytes += len(content)
        return content


@dataclass(frozen=True)
class Shelf(ABC):
    """A folder of exported crops.

    Args:
        folder: where.
        encoding: of each crop.
        count: crops in all.
        size: side of a crop in pixels.
    """

    folder: Path
    encoding: Encoding
    count: int
    size: int

    @abstractmethod
    def name(self, part: Part) -> str:
        """What the manifest calls a part."""

    @abstractmethod
    def holds(self, part: Part, size: int) -> bool:
        """Whether a part noted with so many bytes is there at full length; its content is not read."""

    @abstractmethod
    def writing(self, part: Part, tally: Tally) -> AbstractContextManager[Add]:
        """Give a function that takes the part's crops in order; when the block ends well, the part is in place."""

    @abstractmethod
    def content(self, part: Part) -> Iterator[bytes]:
        """What the tally of a part counted, as it lies on the disk."""

    @abstractmethod
    def crops(self, part: Part, numbers: Sequence[int]) -> list[bytes]:
        """The files of some crops of a part."""

    @abstractmethod
    def need(self, sample: list[bytes], remaining: int) -> int:
        """Bytes of disk that the remaining crops will take, judged by the files of some of them."""

    @abstractmethod
    def prepare(self) -> None:
        """Before the first part, also when an export goes on: take away what a killed one left half-written."""

    def finish(self) -> None:  # noqa: B027 (most have nothing to do)
        """After the last part."""


def settle(folder: Path) -> None:
    """Force the names in a folder to the disk, so that what was put in place there outlives a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
