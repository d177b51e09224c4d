"""How long training takes on this machine: a few real steps, scaled to all of them."""

import statistics
import time
from collections.abc import Callable

import torch

from augstudy.core import rng
from augstudy.learn.pretrain import Pretraining

__all__ = ["human", "step_seconds", "training_seconds"]

SMALL = 4  # crops of the first steps: little memory and time at any scale
FORWARD = 1 / 3  # share of a step that a pass without gradients takes: the way back costs about two more

UNITS = (("years", 365.25 * 86400), ("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0))


def training_seconds(training: Pretraining, budget: float) -> float:
    """About how many seconds one training takes, told from about `budget` seconds of its steps."""
    method, count = training.method, len(training.source)
    batch = min(method.batch_size, count)
    with rng.torch_seeded(training.seed, "estimate"):
        seconds = step_seconds(training.rehearsal(), batch, budget, training.fabric.device)
    return (method.epochs + FORWARD * method.passes()) * (count // batch) * seconds


def step_seconds(step: Callable[[int], None], batch: int, budget: float, device: torch.device) -> float:
    """Seconds of a step on a whole batch: the median of those that fit in `budget` seconds, at least one after a first.

    Where a whole batch would not fit, a part of it is timed and scaled. What does not grow with the batch, such as the
    optimiser's part, is then counted too often: an estimate is rather too long than too short.
    """

    def timed(size: int) -> float:
        start = time.perf_counter()
        step(size)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    deadline = time.perf_counter() + budget
    size = warm_up(step, batch)
    found = [timed(size)]
    left = deadline - time.perf_counter()
    larger = min(batch, int(size * left / found[0] / 3))
    if larger > size:
        step(larger)  # its first time is slower: memory is found, kernels are chosen
        size, found = larger, [timed(larger)]
    while time.perf_counter() < deadline:
        found.append(timed(size))
    return statistics.median(found) * batch / size


def warm_up(step: Callable[[int], None], batch: int) -> int:
    """Make a first step, on as small a part of the batch as the networks take; returns its size."""
    size = min(SMALL, batch)
    while size < batch:
        try:
            step(size)
            return size
        except ValueError:  # batch norm refuses a part of one sample
            size = min(2 * size, batch)
    step(batch)
    return batch


def human(seconds: float) -> str:
    """A duration in the largest unit of which there are two: `41 days`."""
    for unit, length in UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{seconds:.0f} seconds" if seconds >= 1.5 else "1 second"
