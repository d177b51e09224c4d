"""Labelled image sets: the contract of a part, splits in memory or decoded on demand, and loading with a fallback."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from augstudy.core import registry
from augstudy.core.build import build, settings
from augstudy.core.errors import Unobtainable, UserError
from augstudy.data.catalogue import sha256_of
from augstudy.data.images import decode_image

__all__ = [
    "Decoded",
    "Labelled",
    "Rows",
    "Split",
    "Stored",
    "fingerprint",
    "fit",
    "image_bytes",
    "load",
    "open_parquet",
    "read_parquet",
]

LONGEST = 64  # times its short side, of an image that is scaled
KEEP_BYTES = 1 << 29  # a split is kept in memory once decoded if its pixels need no more than this (512 MiB)


class Split(Protocol):
    """Images of one size with their labels."""

    @property
    def labels(self) -> Tensor:
        """(N,) int64 in [0, K)."""
        ...

    def __len__(self) -> int: ...

    def images(self, index: Tensor) -> Tensor:
        """(B,) int64 -> (B, 3, h, w) uint8."""
        ...


@dataclass(frozen=True)
class Labelled:
    """A labelled set.

    Args:
        name: the part that made it.
        train, test: its splits.
        classes: (K,) names.
        note: one sentence for captions; empty if there is nothing to tell.
        fingerprint: short, stable identity of the content, so that a cached result knows its data.
        asked: the part that the study asked for, if this is its fallback.
        skipped: what is wrong with each image that was left out, a line each.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    note: str
    fingerprint: str
    asked: str = ""
    skipped: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name for tables and captions, which tells of a substitution."""
        return f"{self.name} (fallback for {self.asked})" if self.asked else self.name


def load(name: str, fallback: str | None = None, node: Mapping[str, Any] | None = None) -> Labelled:
    """The labelled set `name`, or the set `fallback` if the data of the first cannot be had.

    Args:
        node: settings. A key that only the fallback knows (such as `exclude` of photos) is for the fallback; a key
            that both know is for both, except `root`, which is a place of the first.

    Raises:
        UserError: a wrong name or setting, or data that cannot be had while there is no fallback.
    """
    first = registry.find("data.datasets", name)
    if fallback is None:
        return _loaded(build(first, node or {}, f"dataset {name}"))
    second = registry.find("data.datasets", fallback)
    own, other = settings(first), settings(second)
    mine = {k: v for k, v in (node or {}).items() if k in own or k not in other}
    theirs = {k: v for k, v in (node or {}).items() if k in other and k != "root"}
    # Both are built before anything is loaded: a misspelt setting is never a reason to fall back.
    part, substitute = build(first, mine, f"dataset {name}"), build(second, theirs, f"dataset {fallback}")
    try:
        return _loaded(part)
    except Unobtainable:
        return replace(_loaded(substitute), asked=name)


def _loaded(part: Any) -> Labelled:
    labelled: Labelled = part.load()
    return labelled


@dataclass(frozen=True)
class Stored:
    """A split in memory: pixels (N, 3, h, w) uint8, labels (N,) int64."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, index: Tensor) -> Tensor:
        return self.pixels[index]


class Decoded:
    """A split decoded on demand; pixels are kept if the whole split fits into 512 MiB.

    Args:
        decode: sample number -> (3, size, size) uint8.
        labels: (N,) int64.
        size: px.
        threads: how many samples are decoded at once.
    """

    def __init__(self, decode: Callable[[int], Tensor], labels: Tensor, size: int, threads: int = 1) -> None:
        self.decode, self.labels, self.threads = decode, labels, threads
        self.shape = (3, size, size)
        keep = len(labels) * 3 * size * size <= KEEP_BYTES
        self.kept = torch.empty((len(labels), *self.shape), dtype=torch.uint8) if keep else None
        self.known = torch.zeros(len(labels), dtype=torch.bool)

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, index: Tensor) -> Tensor:
        if self.kept is None:
            return self._decode_all(index)
        missing = index[~self.known[index]].unique()
        if len(missing):
            self.kept[missing] = self._decode_all(missing)
            self.known[missing] = True
        return self.kept[index]

    def _decode_all(self, index: Tensor) -> Tensor:
        if not len(index):
            return torch.empty((0, *self.shape), dtype=torch.uint8)
        if self.threads == 1:
            return torch.stack([self.decode(i) for i in index.tolist()])
        with ThreadPoolExecutor(self.threads) as pool:
            return torch.stack(list(pool.map(self.decode, index.tolist())))


def fit(image: Tensor, size: int) -> Tensor:
    """Scale the short side to `size` px, antialiased, and crop the centre: (..., 3, H, W) uint8 -> (..., 3, s, s).

    Of an image more than 64 times as long as wide no more than that is scaled, or a line would grow without bound.
    """
    if image.shape[-2:] == (size, size):
        return image
    longest = LONGEST * min(image.shape[-2:])
    if max(image.shape[-2:]) > longest:
        image = tv.center_crop(image, [min(side, longest) for side in image.shape[-2:]])
    scaled = tv.resize(image, [size], interpolation=tv.InterpolationMode.BICUBIC, antialias=True)
    return tv.center_crop(scaled, [size, size])


def fingerprint(*parts: Any) -> str:
    """A short stable name of JSON-able facts that identify a set's content."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Rows:
    """The rows of a Parquet file with images.

    Args:
        path, column: the file and its image column, for errors.
        content: (N,) binary, the bytes of image files.
        labels: (N,) int64, as in the file.
        size: px, of the images that `__call__` returns.
    """

    path: Path
    column: str
    content: pa.ChunkedArray
    labels: Tensor
    size: int

    def __call__(self, i: int) -> Tensor:
        """Row i -> (3, size, size) uint8."""
        return fit(decode_image(self.content[i].as_py(), self.where(i)), self.size)

    def where(self, i: int) -> str:
        """Row i, for errors."""
        return f"{self.path}, column {self.column}, row {i}"

    @property
    def sha256(self) -> str:
        """Of the file's bytes."""
        return sha256_of(self.path)


def read_parquet(path: Path, image: str, label: str, size: int) -> Rows:
    """Read a Parquet file with an image column, {bytes, ...} or binary, and an integer label column.

    Raises:
        UserError: no such file or column, a column of another type, or an empty cell; names file, column and row.
    """
    with open_parquet(path) as file:
        names = file.schema_arrow.names
        for column in (image, label):
            if names.count(column) != 1:
                what = f"{path} has {'several columns' if column in names else 'no column'} {column!r}"
                raise UserError(what, f"Set image and label to two of its columns: {names}.")
        table = file.read([image, label])
    content = image_bytes(table.column(image), f"{path}, column {image}")
    labels = _integers(table.column(label), f"{path}, column {label}")
    return Rows(path, image, content, labels, size)


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """A Parquet file; raises UserError where it is none, or is found damaged while it is read."""
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except FileNotFoundError:
        raise Unobtainable(f"there is no file {path}", "Give the path of a Parquet file.") from None
    except (OSError, pa.ArrowException) as error:
        raise UserError(
            f"{path} is not a readable Parquet file ({' '.join(str(error).split())})", "Copy or download it again."
        ) from None


def image_bytes(column: pa.ChunkedArray, where: str, nulls: bool = False) -> pa.ChunkedArray:
    """A column of image files as binary; raises UserError where it holds something else, or is empty.

    Args:
        nulls: cells may be empty.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        column = pc.struct_field(column, "bytes")
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        raise UserError(f"{where} holds {kind}, not the bytes of images", "Name a column of binary or {bytes, path}.")
    if not nulls:
        _refuse_nulls(column, where)
    return column


def _integers(column: pa.ChunkedArray, where: str) -> Tensor:
    if not pa.types.is_integer(column.type):
        raise UserError(f"{where} holds {column.type}, not integers", "Name a column with integer labels.")
    _refuse_nulls(column, where)
    try:
        return torch.from_numpy(column.cast(pa.int64()).to_numpy().copy())
    except pa.ArrowInvalid:
        what = f"{where} holds numbers from 2^63 on, which are no labels"
        raise UserError(what, "Name a column with integer labels.") from None


def _refuse_nulls(column: pa.ChunkedArray, where: str) -> None:
    if not len(column):
        raise UserError(f"{where} has no rows", "Give a file with images in it.")
    if column.null_count:
        row = pc.index(pc.is_null(column), True).as_py()
        raise UserError(f"{where}, row {row} is empty", "Remove that row, or fill it.")
