"""Work on all of torch's threads: compiled kernels release Python's lock, so plain threads are enough.

Plain threads, made anew in a forked process, also work in a DataLoader's workers, where OpenMP's would abort.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["alone", "cores", "fits", "shares", "spread", "spread_rows"]

Task = TypeVar("Task")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fits(x: Tensor) -> bool:
    """Whether compiled code can work on these pixels: it knows three channels, and checks no bounds."""
    return x.device.type == "cpu" and x.dtype == torch.float32 and x.shape[1] == 3 and x.is_contiguous()


@contextmanager
def alone() -> Iterator[None]:
    """Let torch use one thread: on tensors of some numbers a sample, threads that wait for each other cost more.

    On a busy machine each wait costs a time slice: sixty times the work itself, measured beside one other process.
    Only the main thread does so, for torch also remembers the number for threads that are yet to start.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@lru_cache(maxsize=1)
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="augstudy")


def spread(work: Callable[[Task], object], tasks: Sequence[Task]) -> None:
    """Do every task, on as many threads as torch would use; raises what a task raised."""
    threads = min(torch.get_num_threads(), len(tasks))
    if threads <= 1:
        for task in tasks:
            work(task)
    else:
        list(_pool(os.getpid(), torch.get_num_threads()).map(work, tasks))


def shares(count: int, cost: int, least: int = 1 << 14) -> list[slice]:
    """Cut `count` items of `cost` pixels each so that threads end together, no share too small to be worth a call."""
    pieces = min(count, 4 * torch.get_num_threads(), max(1, count * cost // least))
    bounds = [count * i // pieces for i in range(pieces + 1)] if pieces else []
    return [slice(a, b) for a, b in pairwise(bounds)]


def spread_rows(kernel: Callable[[NDArray[np.int64]], None], rows: Tensor, pixels: int) -> None:
    """Call a kernel on all of the samples `rows`, which have so many pixels each, a share on each thread."""
    which = rows.numpy()
    spread(kernel, [which[share] for share in shares(len(which), pixels)])
