"""Parquet: two files, each with a column of images and a column of integer labels."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from augstudy.core.build import check_range
from augstudy.core.errors import UserError, printable
from augstudy.data.catalogue import data_folder
from augstudy.data.datasets.base import Decoded, Labelled, Rows, fingerprint, read_parquet
from augstudy.data.preflight import Files, check_policy, sound

__all__ = ["Parquet"]


@dataclass(frozen=True)
class Parquet:
    """A labelled set in two Parquet files, as the Hugging Face hub gives them.

    Args:
        train, test: the files.
        root: folder they are in, if they are not given by absolute path; empty for AUGSTUDY_DATA or the current one.
        image: column of image files, {bytes, ...} or binary.
        label: column of integers; any set of values, numbered in ascending order.
        size: px; images of another size are scaled by the short side and cropped to the centre.
        bad_files: what is done about images that cannot be read: `stop` names them all, `skip` leaves their rows out.
    """

    train: str = ""
    test: str = ""
    root: str = ""
    image: str = "image"
    label: str = "label"
    size: int = 32
    bad_files: str = "stop"

    def __post_init__(self) -> None:
        check_range("size", self.size, 1)
        check_policy(self.bad_files)

    def load(self) -> Labelled:
        """Read both files and look at each image (see `preflight`).

        Raises:
            UserError: a file is missing or wrong (see read_parquet), a test label is not in the training file, or
                an image cannot be read.
        """
        train, test = (
            read_parquet(self._path(key, value), self.image, self.label, self.size)
            for key, value in (("train", self.train), ("test", self.test))
        )
        values = train.labels.unique()  # sorted
        facts = [train.sha256, test.sha256, self.image, self.label, self.size]
        labels = [_numbered(rows, self.label, values) for rows in (train, test)]
        print_ = fingerprint("parquet 2", facts)
        keep, skipped = sound(_both(train, test), self.bad_files, self._name(train, test), print_)
        sides = keep[keep < len(labels[0])], keep[keep >= len(labels[0])] - len(labels[0])
        if not all(map(len, sides)):
            raise UserError(f"{self._name(train, test)}: a file has no image that can be used", "Give other files.")
        return Labelled(
            name="parquet",
            train=_split(train, labels[0], sides[0]),
            test=_split(test, labels[1], sides[1]),
            classes=class_names(train.path, self.label, values.tolist()),
            note=self._name(train, test),
            fingerprint=fingerprint(print_, skipped) if skipped else print_,
            skipped=skipped,
        )

    def _name(self, train: Rows, test: Rows) -> str:
        return printable(f"{train.path.name} and {test.path.name}")

    def _path(self, key: str, value: str) -> Path:
        if not value:
            raise UserError(f"{key} is not set", f"Set {key} to the Parquet file for that split.")
        return (Path(self.root).expanduser() if self.root else data_folder() or Path()) / Path(value).expanduser()


@dataclass(frozen=True)
class Picked:
    """Some rows, numbered anew."""

    rows: Rows
    numbers: Any

    def __call__(self, i: int) -> Tensor:
        return self.rows(int(self.numbers[i]))


def _split(rows: Rows, labels: Tensor, keep: Any) -> Decoded:
    decode = rows if len(keep) == len(labels) else Picked(rows, keep)
    return Decoded(decode, labels[torch.from_numpy(keep)], rows.size)


def _both(train: Rows, test: Rows) -> Files:
    """The images of two files in one row of numbers."""
    first = len(train.labels)

    def place(i: int) -> tuple[Rows, int]:
        return (train, i) if i < first else (test, i - first)

    def content(i: int) -> bytes:
        rows, n = place(i)
        return bytes(rows.content[n].as_py())

    def where(i: int) -> str:
        rows, n = place(i)
        return rows.where(n)

    return Files(first + len(test.labels), content, where, train.content.nbytes + test.content.nbytes)


def _numbered(rows: Rows, label: str, values: Tensor) -> Tensor:
    """Labels as positions in the sorted `values`: (N,) int64."""
    strange = (~torch.isin(rows.labels, values)).nonzero()
    if len(strange):
        row = int(strange[0])
        raise UserError(
            f"{rows.path}, column {label}, row {row}: label {int(rows.labels[row])} is not in the training file",
            "Use two files of the same set.",
        )
    return torch.searchsorted(values, rows.labels)


def class_names(path: Path, label: str, values: list[int]) -> tuple[str, ...]:
    """Names from the hub's own metadata, if the file carries them, else the numbers."""
    metadata = pq.read_schema(path).metadata or {}
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"][label]["names"]
        return tuple(str(names[value]) for value in values)
    except (KeyError, IndexError, TypeError, ValueError, pa.ArrowException):
        return tuple(str(value) for value in values)
