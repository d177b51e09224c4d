"""Every image of a file, a folder, a Parquet file or a tar looked at by hand, not for a study."""

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from augstudy.core.errors import UserError
from augstudy.data.datasets.base import image_bytes, open_parquet
from augstudy.data.paths import ENDINGS, image_files
from augstudy.data.preflight import Files, fault, faults, files_of
from augstudy.data.tars import tar_files

__all__ = ["Survey", "survey"]


@dataclass(frozen=True)
class Survey:
    """How many images there are, and what is wrong with the bad ones."""

    count: int
    bad: Sequence[UserError]


def survey(path: Path, column: str = "", whole: bool = True, min_side: int = 1) -> Survey:
    """Look at all images at a path; a labelled set's layout is not asked for.

    Args:
        column: of a Parquet file, its images; unless told, its only column of bytes.
        whole: decode every image; else heads and ends are read.
        min_side: px; smaller images are bad.

    Raises:
        UserError: there is nothing, or no image, or a tar is refused as a whole.
    """
    if path.is_dir():
        files = files_of(image_files(path), min_side)
    elif path.suffix == ".parquet":
        files = _rows(path, column, min_side)
    elif path.is_file() and path.stat().st_size and tarfile.is_tarfile(path):
        return _members(path, whole, min_side)
    elif path.is_file() or path.is_symlink():
        files = Files(1, lambda i: path, lambda i: str(path), 0, min_side)
    else:
        raise UserError(f"there is nothing at {path}", "Give an image, a folder, a Parquet file or a tar.")
    if not files.count:
        raise UserError(f"there is no image in {path}", "Give a place that has some.")
    return Survey(files.count, list(faults(files, whole=whole).values()))


def _rows(path: Path, column: str, min_side: int) -> Files:
    with open_parquet(path) as file:
        schema = file.schema_arrow
        column = column or _only(path, [field.name for field in schema if _holds_bytes(field.type)])
        if column not in schema.names:
            raise UserError(f"{path} has no column {column!r}", f"It has: {', '.join(schema.names)}.")
        content = image_bytes(file.read([column]).column(column), f"{path}, column {column}", nulls=True)
    return Files(
        len(content),
        lambda i: content[i].as_py() or b"",
        lambda i: f"{path}, column {column}, row {i}",
        content.nbytes,
        min_side,
    )


def _only(path: Path, names: list[str]) -> str:
    if len(names) != 1:
        what = f"{path} has {len(names)} columns that could hold images"
        raise UserError(what, f"Name one with --column: {', '.join(names)}." if names else "Give another file.")
    return names[0]


def _holds_bytes(kind: Any) -> bool:
    if pa.types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _members(path: Path, whole: bool, min_side: int) -> Survey:
    count, bad = 0, list[UserError]()
    for name, content in tar_files(path):
        if Path(name).suffix.lower() in ENDINGS:
            count += 1
            if error := fault(content, f"{path}, {name}", whole, min_side):
                bad.append(error)
    if not count:
        raise UserError(f"there is no image in {path}", "Give a place that has some.")
    return Survey(count, bad)
