"""What launchers share: packages that only some of them need, how many runs at a time, and threads."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from augstudy.core.errors import UserError

__all__ = ["imported", "limit", "threads"]


def imported(name: str, launcher: str) -> Any:
    """The package that a launcher needs. Raises UserError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        fix = f"Install it with pip install 'augstudy[{launcher}]', or run without --launcher."
        raise UserError(f"--launcher {launcher} needs the package {name}, which is not installed", fix) from None


def limit(jobs: int | None) -> int | None:
    """How many runs at a time. Raises UserError for none."""
    if jobs is not None and jobs < 1:
        raise UserError(f"--jobs is {jobs}", "Give the number of runs to make at a time, 1 or more.")
    return jobs


@contextmanager
def threads(count: int) -> Iterator[None]:
    """In the block, torch works with this many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
