"""SIGTERM as an exception: what is open is closed, locks are let go, and the exit code tells of it."""

import signal
from types import FrameType

__all__ = ["Stopped", "heed"]


class Stopped(BaseException):
    """The system, or a queue such as Slurm before the end of a job's time, asks the process to end.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number  # what a shell reports of a process that a signal ended

    def __str__(self) -> str:
        return signal.Signals(self.code - 128).name


def heed(number: int = signal.SIGTERM) -> None:
    """From now on the first such signal raises `Stopped` in the main thread; later ones do not disturb what it does."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise Stopped(number)

    signal.signal(number, stop)
