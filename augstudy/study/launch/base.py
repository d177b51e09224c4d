"""What launchers share: what a run may use of a machine, and packages that only some of them need."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from augstudy.core.build import build, check_range, check_types
from augstudy.core.errors import UserError
from augstudy.study.pipeline import Laboratory

__all__ = ["Resources", "imported", "limit", "threads"]


@dataclass(frozen=True)
class Resources:
    """What one run asks of a cluster: the section `resources` of a study. It moves no result, so no hash tells of it.

    Args:
        cpus: cores, and so threads.
        gpus: cards; 0 trains on the CPU. Ray also shares cards: 0.5 puts two runs on one.
        memory_gb: of the machine; 0 asks for nothing in particular.
        hours: after which Slurm ends a task; it then goes on in a new one.
        requeues: how often Slurm may do that to one run.
        retries: how often Ray starts a run again whose worker was lost.
        partition: of the Slurm cluster; "" leaves it to the cluster.
    """

    cpus: int = 1
    gpus: float = 0
    memory_gb: float = 0
    hours: float = 24
    requeues: int = 20
    retries: int = 3
    partition: str = ""

    def __post_init__(self) -> None:
        check_types(self)
        check_range("cpus", self.cpus, 1)
        check_range("hours", self.hours, 1 / 60)
        for name in ("gpus", "memory_gb", "requeues", "retries"):
            check_range(name, getattr(self, name), 0)

    @classmethod
    def of(cls, laboratory: Laboratory) -> "Resources":
        """Raises UserError for a setting that there is not."""
        study = laboratory.study
        return build(cls, study.resources, f"{study.said_in('resources')}: resources")


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
