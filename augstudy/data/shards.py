"""Where exported crops lie: tar shards, folders of files or one array, each part written whole or not at all."""

import hashlib
import io
import os
import shutil
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augstudy.core.store import replacing
from augstudy.data.encoding import Encoding

__all__ = ["FORMATS", "Array", "Folder", "Part", "Shelf", "Tally", "Tars"]

Add = Callable[[int, list[bytes]], None]  # takes the number of the first crop, and the files of it and of the next ones
BLOCK = 512  # bytes: a tar is made of such blocks
RECORD = 20 * BLOCK  # and its length is a multiple of this, as tarfile and GNU tar write it
CHUNK = 1 << 20  # bytes read at a time


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


class Tars(Shelf):
    """Tar shards that webdataset and tarfile read, of one file a crop: `shard-000000.tar` with `000000000.jpg`, ..."""

    def name(self, part: Part) -> str:
        return f"shard-{part.number:06d}.tar"

    def prepare(self) -> None:
        for leftover in self.folder.glob(".shard-*.tmp.tar"):
            leftover.unlink()

    @contextmanager
    def writing(self, part: Part, tally: Tally) -> Iterator[Add]:
        with replacing(self.folder / self.name(part)) as temporary, temporary.open("wb") as tar:

            def add(first: int, files: list[bytes]) -> None:
                tar.write(tally(members(first, files, self.encoding.suffix)))

            yield add
            end = 2 * BLOCK
            tar.write(tally(bytes(end + -(tally.bytes + end) % RECORD)))

    def content(self, part: Part) -> Iterator[bytes]:
        with (self.folder / self.name(part)).open("rb") as tar:
            yield from iter(lambda: tar.read(CHUNK), b"")

    def crops(self, part: Part, numbers: Sequence[int]) -> list[bytes]:
        with tarfile.open(self.folder / self.name(part), "r:") as tar:
            files = [tar.extractfile(f"{number:09d}{self.encoding.suffix}") for number in numbers]
            return [file.read() for file in files if file]

    def need(self, sample: list[bytes], remaining: int) -> int:
        return scaled([BLOCK + len(file) + -len(file) % BLOCK for file in sample], remaining)


class Folder(Shelf):
    """Files that ImageFolder reads as one class: `crops/000000/000000000.jpg`, ...

    Files are not forced to the disk one by one, which would take longer than to make them: parts survive the end of
    the process, but not surely a power failure; `verify` tells.
    """

    def name(self, part: Part) -> str:
        return f"crops/{part.number:06d}"

    def prepare(self) -> None:
        for leftover in (self.folder / "crops").glob(".*.tmp"):
            shutil.rmtree(leftover)

    @contextmanager
    def writing(self, part: Part, tally: Tally) -> Iterator[Add]:
        place = self.folder / self.name(part)
        temporary = place.with_name(f".{place.name}.tmp")
        temporary.mkdir(parents=True)

        def add(first: int, files: list[bytes]) -> None:
            for number, file in enumerate(files, first):
                (temporary / f"{number:09d}{self.encoding.suffix}").write_bytes(tally(file))

        try:
            yield add
            if place.exists():  # killed before the part was noted as finished
                shutil.rmtree(place)
            temporary.rename(place)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def content(self, part: Part) -> Iterator[bytes]:
        # All that lies there, so that a file too many is found as well.
        yield from (path.read_bytes() for path in sorted((self.folder / self.name(part)).iterdir()))

    def crops(self, part: Part, numbers: Sequence[int]) -> list[bytes]:
        place = self.folder / self.name(part)
        return [(place / f"{number:09d}{self.encoding.suffix}").read_bytes() for number in numbers]

    def need(self, sample: list[bytes], remaining: int) -> int:
        block = os.statvfs(self.folder).f_frsize
        return scaled([len(file) + -len(file) % block for file in sample], remaining)


class Array(Shelf):
    """One array `crops.npy`, (count, size, size, 3) uint8, under another name until its last crop is in it."""

    def name(self, part: Part) -> str:
        return f"crops.npy[{part.first}:{part.stop}]"

    @property
    def path(self) -> Path:
        return self.folder / "crops.npy"

    @property
    def unfinished(self) -> Path:
        return self.folder / ".crops.npy.part"

    @property
    def header(self) -> bytes:
        buffer = io.BytesIO()
        shape = (self.count, self.size, self.size, 3)
        np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
        return buffer.getvalue()

    @property
    def row(self) -> int:
        """Bytes of a crop."""
        return self.size * self.size * 3

    @property
    def whole(self) -> int:
        """Bytes of the file."""
        return len(self.header) + self.count * self.row

    def prepare(self) -> None:
        if self.path.exists():  # killed before it was noted as finished
            return
        if self.unfinished.exists() and self.unfinished.stat().st_size == self.whole:
            return
        try:
            with self.unfinished.open("wb") as file:
                reserve(file.fileno(), self.whole)
                file.write(self.header)
        except OSError:
            self.unfinished.unlink()
            raise

    @contextmanager
    def writing(self, part: Part, tally: Tally) -> Iterator[Add]:
        begin = len(self.header)
        with self.unfinished.open("r+b", buffering=0) as file:

            def add(first: int, files: list[bytes]) -> None:
                file.seek(begin + first * self.row)
                rest = memoryview(tally(b"".join(files)))
                while rest:
                    rest = rest[file.write(rest) :]

            yield add
            os.fsync(file.fileno())

    def finish(self) -> None:
        if self.unfinished.exists():
            self.unfinished.replace(self.path)

    def content(self, part: Part) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(len(self.header) + part.first * self.row)
            for _ in range(part.first, part.stop):
                yield file.read(self.row)

    def crops(self, part: Part, numbers: Sequence[int]) -> list[bytes]:
        return [next(self.content(Part(part.number, number, number + 1))) for number in numbers]

    def need(self, sample: list[bytes], remaining: int) -> int:
        here = next((path for path in (self.path, self.unfinished) if path.exists()), None)
        return max(0, self.whole - (here.stat().st_blocks * 512 if here else 0))


FORMATS: dict[str, type[Shelf]] = {"webdataset": Tars, "folder": Folder, "npy": Array}


def members(first: int, files: list[bytes], suffix: str) -> bytes:
    """Files as the members of a tar, in the ustar format, with no time and no owner; the bytes that tarfile writes."""
    header = tarfile.TarInfo(f"{0:09d}{suffix}").tobuf(tarfile.USTAR_FORMAT)
    headers = np.tile(np.frombuffer(header, np.uint8), (len(files), 1))  # (B, 512)
    headers[:, :9] = digits(np.arange(first, first + len(files)), 9, 10)
    headers[:, 124:135] = digits(np.array([len(file) for file in files]), 11, 8)
    headers[:, 148:156] = ord(" ")  # the checksum counts itself as blank
    headers[:, 148:154] = digits(headers.sum(1, dtype=np.int64), 6, 8)
    headers[:, 154] = 0
    return b"".join(
        part
        for head, file in zip(headers, files, strict=True)
        for part in (head.tobytes(), file, bytes(-len(file) % BLOCK))
    )


def digits(numbers: np.ndarray[Any, Any], count: int, base: int) -> np.ndarray[Any, Any]:
    """(B,) numbers -> (B, count) ASCII digits, leading zeros kept."""
    powers = base ** np.arange(count - 1, -1, -1, dtype=np.int64)
    return (numbers[:, None] // powers % base + ord("0")).astype(np.uint8)


def scaled(sizes: list[int], remaining: int) -> int:
    """The mean size, `remaining` times."""
    return round(sum(sizes) / len(sizes) * remaining)


def reserve(handle: int, size: int) -> None:
    """Take `size` bytes of disk for a file now, where the system can."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        os.ftruncate(handle, size)
