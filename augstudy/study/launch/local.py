"""Several runs of a study at a time on one machine, each process with its share of the threads."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

import torch

from augstudy.core.errors import UserError, on_disk
from augstudy.core.stop import Stopped, heed
from augstudy.study.launch.base import Relay, limit
from augstudy.study.pipeline import Laboratory
from augstudy.study.progress import Reporter
from augstudy.study.spec import Study

__all__ = ["Local"]

GRACE = 20.0  # s that a process has to leave its run in order
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Local:
    """Works on a study's runs in `jobs` processes; each takes the next run that none of the others has.

    A process that dies leaves its run to the others, which go on from its last checkpoint.

    Args:
        study: composed study.
        jobs: how many processes; each of them builds its own laboratory.

    Raises:
        UserError: --jobs is less than 1, or more than 1 where each run is to have several devices.
    """

    study: Study
    jobs: int

    def __post_init__(self) -> None:
        limit(self.jobs)
        if self.jobs > 1 and self.study.devices > 1:
            what = f"--jobs {self.jobs} with devices: {self.study.devices}: runs would fight for the devices"
            raise UserError(what, "Leave out --jobs, or set devices: 1.")

    def __call__(self, laboratory: Laboratory, reporter: Reporter) -> None:
        """Return when every run is finished.

        Raises:
            UserError: a process found something that the user must mend, or all of them died.
        """
        with few_threads(max(1, torch.get_num_threads() // self.jobs)) as threads:
            workers = [self._start(laboratory.results, threads) for _ in range(self.jobs)]
        reporters = {connection: reporter.beside() for connection, _ in workers}
        try:
            self._listen(dict(reporters), reporter)
        finally:
            for one in reporters.values():
                one.close()
            for _, process in workers:
                process.terminate()
            for _, process in workers:
                process.join(GRACE)
                process.kill()

    def _start(self, results: Path, threads: int) -> tuple[Connection, SpawnProcess]:
        context = get_context("spawn")  # a forked child cannot use the threads that torch has in its parent
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(self.study, results, threads, there), daemon=True)
        process.start()
        there.close()  # so that the pipe ends when the process does
        return here, process

    def _listen(self, reporters: dict[Connection, Reporter], reporter: Reporter) -> None:
        """Pass on what the processes tell, until the last has ended."""
        done = 0
        while reporters:
            for connection in wait(list(reporters)):
                assert isinstance(connection, Connection)
                try:
                    what, words = connection.recv()
                except EOFError:
                    reporters.pop(connection).close()
                    continue
                if what == "error":
                    raise UserError(*words)
                if what == "done":
                    done += 1
                else:
                    getattr(reporters[connection], what)(*words)
        if not done:
            fix = "Run it again: what is finished is kept. If memory was short, give fewer --jobs."
            raise UserError("all processes of the study died", fix)
        if done < self.jobs:
            reporter.note(f"{self.jobs - done} of {self.jobs} processes died; the others did their runs")


def work(study: Study, results: Path, threads: int, pipe: Connection) -> None:
    """What each process does: the runs that no other does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all of them; the first one ends the others
    heed()
    torch.set_num_threads(threads)
    with suppress(BrokenPipeError, Stopped):  # nobody listens any more: the study was stopped
        try:
            Laboratory(study, results).work(Relay(lambda *said: pipe.send(said)))
            pipe.send(("done", ()))
        except BrokenPipeError:
            raise
        except (UserError, OSError) as caught:
            error = caught if isinstance(caught, UserError) else on_disk(caught)
            pipe.send(("error", (error.what, error.fix)))


@contextmanager
def few_threads(count: int) -> Iterator[int]:
    """Processes started in the block give each of their libraries this many threads, or fewer if told before."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update({name: str(count) for name in THREADS})
    try:
        yield count
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
