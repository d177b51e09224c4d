"""Arrays too large for memory: written part by part, whole or not there at all, and mapped when they are read."""

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from augstudy.core.store import digest, replacing, write_json

__all__ = ["open_arrays", "writing_arrays"]

CARD = "card.json"
PART = 1 << 24  # bytes read at a time when a file is checked

Arrays = dict[str, NDArray[Any]]


@contextmanager
def writing_arrays(folder: Path, shapes: Mapping[str, tuple[int, ...]], facts: Mapping[str, Any]) -> Iterator[Arrays]:
    """Yield float16 arrays to fill, mapped to files; `<folder>/<name>.npy` are there when the block ends well.

    Args:
        folder: of all of them and of a card, which is written last: without it nothing is read.
        shapes: name -> shape.
        facts: what the arrays are of, in JSON; `open_arrays` must be told the same. The block may add to it.
    """
    (folder / CARD).unlink(missing_ok=True)
    with ExitStack() as stack:
        places = {name: stack.enter_context(replacing(folder / f"{name}.npy")) for name in shapes}
        arrays: Arrays = {}
        for name, place in places.items():
            arrays[name] = open_memmap(place, mode="w+", dtype=np.float16, shape=shapes[name])
            reserve(place)
        yield arrays
        for array in arrays.values():
            array.flush()  # type: ignore[attr-defined]
        sums = {name: checksum(place) for name, place in places.items()}
    card = {"facts": dict(facts), "checksums": sums}
    write_json(folder / CARD, card | {"checksum": digest(card)})


def open_arrays(folder: Path, facts: Mapping[str, Any]) -> tuple[Arrays, dict[str, Any]] | None:
    """The arrays that lie in a folder, mapped, and their card's facts; None if one of them is not what was written.

    Args:
        facts: what they must be of; the card may say more.
    """
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        if card.pop("checksum") != digest(card):
            return None
        if {key: card["facts"].get(key) for key in facts} != dict(facts):
            return None
        files = {name: folder / f"{name}.npy" for name in card["checksums"]}
        if any(checksum(path) != card["checksums"][name] for name, path in files.items()):
            return None
        return {name: np.load(path, mmap_mode="c") for name, path in files.items()}, card["facts"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def reserve(path: Path) -> None:
    """Take the disk space of a mapped file now: where it is lacking later, the system kills who writes (SIGBUS)."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def checksum(path: Path) -> int:
    """CRC-32 of a file, read in parts."""
    found = 0
    with path.open("rb") as file:
        while part := file.read(PART):
            found = zlib.crc32(part, found)
    return found
