"""What launchers share: packages that only some of them need, how many runs at a time, threads, and word of runs."""

import importlib
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from augstudy.core.errors import UserError
from augstudy.study.pipeline import Laboratory
from augstudy.study.stock import Planned

__all__ = ["Relay", "imported", "limit", "planned", "threads"]

OFTEN = 0.5  # s between two steps that are told of


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


def planned(laboratory: Laboratory, key: str) -> Planned:
    """The run of this hash. Raises UserError on a machine that would make others of the same study."""
    for plan in laboratory.planned:
        if plan.key == key:
            return plan
    what = f"{platform.node()} finds other images or data for {laboratory.study.name} than where it was planned"
    fix = "Let all machines see the same AUGSTUDY_DATA, AUGSTUDY_CACHE and files, and change none while a study runs."
    raise UserError(f"{what}, so it knows no run {key}", fix)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """In the block, torch works with this many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass
class Relay:
    """A reporter whose words are said in another process.

    Args:
        send: takes the name of the method and its arguments there.
    """

    send: Callable[[str, tuple[Any, ...]], None]
    spoken: float = 0.0

    def begin(self, label: str, axes: str) -> None:
        """As `Reporter.begin`."""
        self.send("begin", (label, axes))

    def step(self, done: int, total: int, note: str) -> None:
        """As `Reporter.step`, but seldom enough for a thousand runs to speak at the same time."""
        now = time.monotonic()
        if now - self.spoken >= OFTEN:
            self.spoken = now
            self.send("step", (done, total, note))

    def end(self, record: dict[str, Any], main: dict[str, Any] | None = None) -> None:
        """As `Reporter.end`."""
        self.send("end", (record, main))
