"""All bad files of a set at once, before anything is trained on it."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from augstudy.core.build import check_choice
from augstudy.core.errors import UserError
from augstudy.core.progress import progress
from augstudy.core.store import digest, write_text
from augstudy.data.catalogue import cache_folder
from augstudy.data.decoding import opened, pixel_limit, reading
from augstudy.data.images import decode_image
from augstudy.data.paths import Paths

__all__ = ["POLICIES", "Files", "check_policy", "fault", "faults", "files_of", "refused", "sound"]

POLICIES = ("stop", "skip")
WHOLE = 1 << 30  # bytes of files that are decoded; of sets with more, heads and ends are read (1 GiB)
SHOWN = 5  # bad files that an error names
THREADS = 4  # decoders release Python's lock
BLOCK = 256  # files handed to the threads at a time
TAIL = 64  # bytes at the end of a file, among which its end mark stands
ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82", "GIF": b";"}


@dataclass(frozen=True)
class Files:
    """What is looked at: image files, or their bytes.

    Args:
        count: how many.
        source: number -> the path or the bytes.
        where: number -> what an error calls it.
        bytes: of all of them.
        min_side: px; smaller images are bad.
    """

    count: int
    source: Callable[[int], Path | bytes]
    where: Callable[[int], str]
    bytes: int
    min_side: int = 1


def files_of(paths: Paths, min_side: int = 1) -> Files:
    """The files of a folder."""
    return Files(len(paths), lambda i: paths[i], lambda i: str(paths[i]), int(paths.sizes.clip(0).sum()), min_side)


def check_policy(value: str) -> None:
    """Raises UserError unless bad files are to `stop` a study or to be left out (`skip`)."""
    check_choice("bad_files", value, POLICIES)


def faults(files: Files, numbers: Sequence[int] | None = None, whole: bool | None = None) -> dict[int, UserError]:
    """What is wrong, by number, in ascending order; nothing for a sound set.

    Args:
        numbers: which files; all of them unless told.
        whole: decode every file; else its head is read, and its end where the format marks one. Unless told, sets of
            up to 1 GiB are decoded.
    """
    chosen = range(files.count) if numbers is None else numbers
    whole = files.bytes <= WHOLE if whole is None else whole
    found: dict[int, UserError] = {}

    def look(i: int) -> UserError | None:
        return fault(files.source(i), files.where(i), whole, files.min_side)

    with progress("files looked at") as step, ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(chosen), BLOCK):
            block = chosen[start : start + BLOCK]
            for number, error in zip(block, pool.map(look, block), strict=True):
                if error is not None:
                    found[number] = error
            step(start + len(block), len(chosen))
    return dict(sorted(found.items()))


def sound(files: Files, policy: str, name: str, content: str) -> tuple[np.ndarray[Any, Any], tuple[str, ...]]:
    """The numbers of the files that can be read, and what is wrong with the others, a line each.

    Args:
        policy: "stop" or "skip".
        name: of the set, for the error.
        content: names the files' content, by the bytes themselves or by names, sizes and when they were written; a
            set that was found sound on this machine, with the same limit of pixels an image, is not looked at again.

    Raises:
        UserError: by policy "stop", a file is bad: names the first five and says how many there are.
    """
    mark = cache_folder() / "preflight" / digest([content, files.min_side, pixel_limit()])
    found = {} if mark.exists() else faults(files)
    if not found:
        _remember(mark, files.count)
    elif policy == "stop":
        raise refused(list(found.values()), files.count, name)
    keep = np.setdiff1d(np.arange(files.count), list(found))
    return keep, tuple(error.what for error in found.values())


def refused(errors: Sequence[UserError], count: int, name: str) -> UserError:
    """The error that names the bad files of a set."""
    first = "; ".join(error.what for error in errors[:SHOWN])
    more = f"; and {len(errors) - SHOWN:,} more" if len(errors) > SHOWN else ""
    what = f"{len(errors):,} of {count:,} images of {name} cannot be used: {first}{more}"
    return UserError(what, "`augstudy data check PATH` lists all. Mend them, or set bad_files: skip to leave them out.")


def fault(source: Path | bytes, where: str, whole: bool = True, min_side: int = 1) -> UserError | None:
    """What is wrong with one image file, or its bytes; None where it can be used."""
    try:
        with reading(where):
            if not whole:
                with opened(source, where, min_side) as image:
                    kind = image.format or ""
                if kind in ENDS and ENDS[kind] in _end(source):
                    return None
            decode_image(source if isinstance(source, bytes) else source.read_bytes(), where, min_side)
    except UserError as error:
        return error
    return None


def _end(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[-TAIL:]
    with source.open("rb") as file:
        file.seek(max(0, source.stat().st_size - TAIL))
        return file.read(TAIL)


def _remember(mark: Path, count: int) -> None:
    try:
        write_text(mark, json.dumps({"sound": count}) + "\n")
    except OSError:  # no cache that can be written: it is looked at again next time
        return
