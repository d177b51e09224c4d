"""How long training takes on this machine: a few real steps, and from them all others."""

import time
from collections.abc import Callable, Mapping

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
    batch = min(method.batch_size, method.visits(count))
    with rng.torch_seeded(training.seed, "estimate"):
        seconds = step_seconds(training.rehearsal(), batch, budget, training.fabric.device)
    steps = method.epochs * (method.visits(count) // batch) + FORWARD * method.passes() * (count // batch)
    return steps * seconds


def step_seconds(step: Callable[[int], None], batch: int, budget: float, device: torch.device) -> float:
    """Seconds of a step on a whole batch, from about `budget` seconds of steps, at least one of a size after a first.

    The quickest step of a size counts: whatever else the machine does only adds to it.

    Where a whole batch would not fit, two parts of it are timed in turns, and the line through their times is read at
    the batch: what does not grow with the batch, such as the optimiser's part, is then counted once.
    """

    def timed(size: int) -> float:
        start = time.perf_counter()
        step(size)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    deadline = time.perf_counter() + budget
    small = warm_up(step, batch)
    first = timed(small)
    large = larger(small, batch, first, deadline - time.perf_counter())
    if large > small:
        step(large)  # its first time is slower: memory is found, kernels are chosen
    times: dict[int, list[float]] = {size: [] for size in ((large,) if large == batch else (small, large))}
    times.get(small, []).append(first)
    while not times[large] or time.perf_counter() < deadline:
        for size, seconds in times.items():
            seconds.append(timed(size))
    return on_line({size: min(seconds) for size, seconds in times.items()}, batch)


def larger(small: int, batch: int, seconds: float, left: float) -> int:
    """A larger part of the batch than `small`, a step on which takes `seconds`: twice as large, so that one can tell
    what grows, or more where a step on it takes no more than a third of the seconds that are left."""
    affordable = int(small * left / seconds / 3) if seconds else batch
    return min(batch, max(2 * small, affordable))


def on_line(seconds: Mapping[int, float], batch: int) -> float:
    """Seconds of a batch on the line through those of two parts, or what was timed if that was the whole batch.

    Neither the fixed cost nor that of a sample is below nothing, whatever noise there was.
    """
    if batch in seconds:
        return seconds[batch]
    (small, low), (large, high) = sorted(seconds.items())
    each = max(0.0, high - low) / (large - small)
    each = min(each, high / large)  # steeper would have a fixed cost below nothing
    return high + each * (batch - large)


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
    """A duration in the largest unit of which there are two, to two digits: `3.2 days`."""
    for unit, length in UNITS:
        if (count := seconds / length) >= 2:
            return f"{count:.2g} {unit}" if count < 9.95 else f"{count:,.0f} {unit}"
    return f"{seconds:.0f} seconds" if seconds >= 1.5 else "1 second"
