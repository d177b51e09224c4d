"""Exported crops as one array of raw pixels, which numpy maps into memory."""

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from augstudy.data.shelf import Add, Part, Shelf, Tally, settle

__all__ = ["Array"]


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

    def holds(self, part: Part, size: int) -> bool:
        """The header counts as the first part's, the end of the file as the last one's."""
        path = self.path if self.path.exists() else self.unfinished
        begin, length = len(self.header), path.stat().st_size if path.exists() else 0
        end = begin + part.stop * self.row
        if length != end if part.stop == self.count else length < end:
            return False
        with path.open("rb") as file:
            return part.first > 0 or file.read(begin) == self.header

    def prepare(self) -> None:
        if self.path.exists():  # killed before it was noted as finished, or some of it is to be made again
            self.path.replace(self.unfinished)
        fresh = not self.unfinished.exists()
        try:
            with self.unfinished.open("wb" if fresh else "r+b") as file:
                if os.fstat(file.fileno()).st_size < self.whole:
                    reserve(file.fileno(), self.whole)
                file.truncate(self.whole)
                file.write(self.header)  # also when it goes on: the one before may have been killed before this line
        except OSError:
            if fresh:
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
        self.unfinished.replace(self.path)
        settle(self.folder)

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


def reserve(handle: int, size: int) -> None:
    """Take `size` bytes of disk for a file now, where the system can."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        os.ftruncate(handle, size)
