"""Several small arrays by name in one .npz file, whole or not there at all."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from augstudy.core.errors import UserError
from augstudy.core.store import replacing

__all__ = ["Arrays", "read_arrays", "read_key", "save_arrays"]

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]

KEY = "key"  # the array that says what the others were made with


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]], key: str) -> None:
    """Write the whole file or nothing.

    Args:
        key: names what they were made with, so that others are made where that has changed.
    """
    named: dict[str, Any] = {KEY: np.array(key), **arrays}
    with replacing(path) as temporary:
        np.savez(temporary, **named)


def read_arrays(path: Path) -> Arrays:
    """The arrays of a file by name.

    Raises:
        UserError: it is not such a file.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            return {name: found[name] for name in found.files if name != KEY}
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise UserError(f"{path} is not readable ({error})", "Delete it and run the study again.") from None


def read_key(path: Path) -> str | None:
    """The key that a file was written with; None where there is no such file, or it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            return str(found[KEY])
    except (KeyError, ValueError, EOFError, OSError, zipfile.BadZipFile, AttributeError, TypeError):
        return None
