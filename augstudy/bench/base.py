"""Side-by-side timing: all sides in one call, taking turns, warm, medians.

A bench is a frozen dataclass in a module of this room, found by place, whose `lines(settings)` yields `Line`s.
"""

import multiprocessing
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Any, TypeVar

import torch

from augstudy.core.build import check_range
from augstudy.data.device import device_for

__all__ = ["SIZES", "Bench", "Job", "Line", "Settings", "Side", "race"]

T = TypeVar("T")
SIZES = (32, 128, 224)  # of crops and views, px
WARM, ROUNDS = 3, 9  # rounds thrown away (a fresh machine starts slow), rounds that count


@dataclass(frozen=True)
class Settings:
    """What a user may ask of any bench; a bench takes no notice of what is not its own.

    Args:
        sizes: sides of crops or views in pixels; none for the bench's own.
        seconds: timing of each size, all sides together.
        device: "auto", "cpu" or "cuda".
        image: a name of the catalogue or the path of an image file; by default image B, or retina if B cannot be had.
        quality: measure the quality of the pixels as well.

    Raises:
        UserError: a value out of range, or no CUDA device where one is asked for.
    """

    sizes: tuple[int, ...] = ()
    seconds: float = 30.0
    device: str = "auto"
    image: str | None = None
    quality: bool = True

    def __post_init__(self) -> None:
        for size in self.sizes:
            check_range("size", size, 8, 1024)
        check_range("seconds", self.seconds, 0)
        device_for(self.device)

    @property
    def place(self) -> torch.device:
        """The device that our side runs on."""
        return device_for(self.device)


@dataclass(frozen=True)
class Line:
    """What one comparison found.

    Args:
        bench: its name.
        key: what this line is about, such as {"size": 32} or {"method": "moco"}.
        device: where our side ran.
        ours_per_s, reference_per_s: medians, items per second.
        reference: what it was measured against.
        more: further columns.
    """

    bench: str
    key: dict[str, Any]
    device: torch.device
    ours_per_s: float
    reference: str
    reference_per_s: float
    more: dict[str, Any] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """The line as `--json` prints it; `ratio` is ours over the reference's, above 1 is better."""
        found: dict[str, Any] = {"bench": self.bench, **self.key, "device": self.device.type}
        found["ours_per_s"] = _short(self.ours_per_s)
        found["reference"] = self.reference
        found["reference_per_s"] = _short(self.reference_per_s)
        found["ratio"] = _short(self.ours_per_s / self.reference_per_s)
        found.update({k: _short(v) if isinstance(v, float) else v for k, v in self.more.items()})
        return found | ({"card": torch.cuda.get_device_name(self.device)} if self.device.type == "cuda" else {})


def _short(value: float) -> float:
    """Four digits: medians of such timings are not good for more."""
    return float(f"{value:.4g}")


class Bench(ABC):
    """One comparison of this package with what a user would take instead."""

    @abstractmethod
    def lines(self, settings: Settings) -> Iterator[Line]:
        """One line after the other, each as soon as it is known."""


class Job(ABC):
    """Work to be timed; picklable if it is to run in other processes."""

    @abstractmethod
    def start(self) -> Callable[[], int]:
        """Load what is needed; the step it returns does a piece of work and says how many items that were."""


@dataclass(frozen=True)
class Side:
    """One side of a race.

    Args:
        name: what is printed.
        job: what it does.
        processes: 0 for this process with all its threads, else so many of their own with one thread each. What they
            make is not sent here, which is in their favour.
    """

    name: str
    job: Job
    processes: int = 0


def race(
    sides: Sequence[Side], seconds: float, device: torch.device, warm: int = WARM, rounds: int = ROUNDS
) -> dict[str, float]:
    """Time all sides in turns, A B A B ..., and give each one's median over the rounds.

    Args:
        sides: names are unlike.
        seconds: for all turns together; a turn is at least one step of the job.
        device: waited for before and after every turn.
        warm, rounds: rounds thrown away, rounds that count.

    Returns:
        items per second for each name.
    """
    turn = seconds / (len(sides) * (warm + rounds))
    rates: dict[str, list[float]] = {side.name: [] for side in sides}
    with ExitStack() as stack:
        runners = {side.name: _runner(side, device, stack) for side in sides}
        for _ in range(warm + rounds):
            for name, run in runners.items():
                rates[name].append(run(turn))
    return {name: median(found[warm:]) for name, found in rates.items()}


def _runner(side: Side, device: torch.device, stack: ExitStack) -> Callable[[float], float]:
    """A function that works for so many seconds and returns items per second."""
    if side.processes:
        return _crew(side, stack)
    step = side.job.start()

    def run(seconds: float) -> float:
        count, took = _work(step, seconds, device)
        return count / took

    return run


def _crew(side: Side, stack: ExitStack) -> Callable[[float], float]:
    """The same on several processes, which stay alive from turn to turn and rest while others have theirs."""
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    # One executor each: all workers then have the same share of a turn, whoever starts first.
    workers = [stack.enter_context(ProcessPoolExecutor(1, context)) for _ in range(side.processes)]
    _all([worker.submit(_start_here, side.job, number) for number, worker in enumerate(workers)])

    def run(seconds: float) -> float:
        done = _all([worker.submit(_work_here, seconds) for worker in workers])
        return sum(count for count, _ in done) / max(took for _, took in done)

    return run


def _all(answers: list[Future[T]]) -> list[T]:
    return [answer.result() for answer in answers]


def _work(step: Callable[[], int], seconds: float, device: torch.device) -> tuple[int, float]:
    """Items made, and the seconds it took; the device has nothing left to do before and after."""
    _wait(device)
    start, count = time.perf_counter(), step()
    while time.perf_counter() - start < seconds:
        count += step()
    _wait(device)
    return count, time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


STARTED: list[Callable[[], int]] = []  # in a worker: the step of its job, which stays from turn to turn


def _start_here(job: Job, number: int) -> None:
    """In a worker: make ready, on one thread, with random numbers of its own."""
    torch.set_num_threads(1)
    torch.manual_seed(555 * number)  # as the released single-image script seeds its threads
    STARTED.append(job.start())


def _work_here(seconds: float) -> tuple[int, float]:
    """In a worker: one turn."""
    return _work(STARTED[0], seconds, torch.device("cpu"))
