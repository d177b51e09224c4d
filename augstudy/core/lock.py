"""A lock between processes that no dead owner can leave behind."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["holding", "turn"]

WAIT = 0.2  # seconds between two looks at a lock that another holds


@contextmanager
def holding(path: Path) -> Iterator[bool]:
    """Hold the lock file `path` for the block, and yield whether it could be had: False while another holds it.

    The system opens the lock when its owner ends, however it ends. Locked is a file that is open for writing, for NFS
    locks no other (flock(2)). It is taken away again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.path.samestat(os.fstat(file.fileno()), path.stat())
        except (BlockingIOError, FileNotFoundError):
            held = False  # or who had it took it away while it was being opened, and the next one has another
        try:
            yield held
        finally:
            if held:
                path.unlink()


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Hold the lock file `path` for the block, as soon as nobody else does."""
    while True:
        with holding(path) as mine:
            if mine:
                yield
                return
        time.sleep(WAIT)
