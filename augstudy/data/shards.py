"""Exported crops as tar shards or as folders of files, and the formats by name."""

import os
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from augstudy.core.errors import UserError
from augstudy.core.store import replacing
from augstudy.data.array import Array
from augstudy.data.shelf import Add, Part, Shelf, Tally, settle
from augstudy.data.tars import tar_files

__all__ = ["FORMATS", "Folder", "Tars", "members"]

BLOCK = 512  # bytes: a tar is made of such blocks
RECORD = 20 * BLOCK  # and its length is a multiple of this, as tarfile and GNU tar write it
CHUNK = 1 << 20  # bytes read at a time


class Tars(Shelf):
    """Tar shards that webdataset and tarfile read, of one file a crop: `shard-000000.tar` with `000000000.jpg`, ..."""

    def name(self, part: Part) -> str:
        return f"shard-{part.number:06d}.tar"

    def holds(self, part: Part, size: int) -> bool:
        path = self.folder / self.name(part)
        return path.is_file() and path.stat().st_size == size

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
        settle(self.folder)

    def content(self, part: Part) -> Iterator[bytes]:
        with (self.folder / self.name(part)).open("rb") as tar:
            yield from iter(lambda: tar.read(CHUNK), b"")

    def crops(self, part: Part, numbers: Sequence[int]) -> list[bytes]:
        path, names = self.folder / self.name(part), [f"{number:09d}{self.encoding.suffix}" for number in numbers]
        found = {name: content for name, content in tar_files(path) if name in names}
        if missing := [name for name in names if name not in found]:
            raise UserError(f"{path} lacks {missing[0]}", "Delete it and run the same export again.")
        return [found[name] for name in names]

    def need(self, sample: list[bytes], remaining: int) -> int:
        return scaled([BLOCK + len(file) + -len(file) % BLOCK for file in sample], remaining)


class Folder(Shelf):
    """Files that ImageFolder reads as one class: `crops/000000/000000000.jpg`, ...

    Files are not forced to the disk one by one, which would take longer than to make them: parts survive the end of
    the process, but not surely a power failure. A file that this left short is made again, and `verify` finds the rest.
    """

    def name(self, part: Part) -> str:
        return f"crops/{part.number:06d}"

    def holds(self, part: Part, size: int) -> bool:
        place = self.folder / self.name(part)
        if not place.is_dir():
            return False
        own = self._files(part)
        return sum(file.stat().st_size for file in os.scandir(place) if file.name in own) == size

    def _files(self, part: Part) -> set[str]:
        """Names of the crops of a part."""
        return {f"{number:09d}{self.encoding.suffix}" for number in range(part.first, part.stop)}

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
            if place.exists():  # killed before the part was noted as finished, or something of it was lost
                self._clear(place, part)
            temporary.rename(place)
            settle(place.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _clear(self, place: Path, part: Part) -> None:
        """Take away the crops of a part to make room for new ones, never a file that is not ours."""
        if strange := sorted({path.name for path in place.iterdir()} - self._files(part)):
            what = f"{place} must be made again, but holds {strange[0]}, which is no crop"
            raise UserError(what, "Move it elsewhere and run the same again: finished parts are kept.")
        shutil.rmtree(place)

    def content(self, part: Part) -> Iterator[bytes]:
        # All that lies there, so that a file too many is found as well.
        yield from (path.read_bytes() for path in sorted((self.folder / self.name(part)).iterdir()))

    def crops(self, part: Part, numbers: Sequence[int]) -> list[bytes]:
        place = self.folder / self.name(part)
        return [(place / f"{number:09d}{self.encoding.suffix}").read_bytes() for number in numbers]

    def need(self, sample: list[bytes], remaining: int) -> int:
        block = os.statvfs(self.folder).f_frsize
        return scaled([len(file) + -len(file) % block for file in sample], remaining)


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
