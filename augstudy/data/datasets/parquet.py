"""Parquet: two files, each with a column of images and a column of integer labels."""

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from augstudy.core.build import check_range
from augstudy.core.errors import UserError
from augstudy.data.catalogue import data_folder
from augstudy.data.datasets.base import Decoded, Labelled, Rows, fingerprint, read_parquet

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
    """

    train: str = ""
    test: str = ""
    root: str = ""
    image: str = "image"
    label: str = "label"
    size: int = 32

    def __post_init__(self) -> None:
        check_range("size", self.size, 1)

    def load(self) -> Labelled:
        """Read both files; images are decoded when they are asked for.

        Raises:
            UserError: a file is missing or wrong (see read_parquet), or a test label is not in the training file.
        """
        train, test = (
            read_parquet(self._path(key, value), self.image, self.label, self.size)
            for key, value in (("train", self.train), ("test", self.test))
        )
        values = train.labels.unique()  # sorted
        facts = [train.sha256, test.sha256, self.image, self.label, self.size]
        return Labelled(
            name="parquet",
            train=Decoded(train, _numbered(train, self.label, values), self.size),
            test=Decoded(test, _numbered(test, self.label, values), self.size),
            classes=class_names(train.path, self.label, values.tolist()),
            note=f"{train.path.name} and {test.path.name}",
            fingerprint=fingerprint("parquet 1", facts),
        )

    def _path(self, key: str, value: str) -> Path:
        if not value:
            raise UserError(f"{key} is not set", f"Set {key} to the Parquet file for that split.")
        return (Path(self.root).expanduser() if self.root else data_folder() or Path()) / Path(value).expanduser()


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
