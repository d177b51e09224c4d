"""How far long work below has come, for whoever wants to show it."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

__all__ = ["Step", "progress", "shown_by"]

Step = Callable[[int, int], object]  # takes what is done, and all there is, 0 where that is not known
PATIENCE = 2.0  # s before anything is shown: most work is over by then
PACE = 0.1  # s between two looks

_show: list[Callable[[str], AbstractContextManager[Step]]] = []


def shown_by(show: Callable[[str], AbstractContextManager[Step]]) -> None:
    """From now on, work that takes more than two seconds is shown by `show(what)`; a process without this is silent."""
    _show[:] = [show]


@contextmanager
def progress(what: str) -> Iterator[Step]:
    """A function that is told how far the work named `what` has come, as often as one likes."""
    with ExitStack() as stack:
        next_look, shown = time.monotonic() + PATIENCE, list[Step]()

        def step(done: int, total: int = 0) -> None:
            nonlocal next_look
            if not _show or time.monotonic() < next_look:
                return
            if not shown:
                shown.append(stack.enter_context(_show[0](what)))
            shown[0](done, total)
            next_look = time.monotonic() + PACE

        yield step
