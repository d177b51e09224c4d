"""A process that holds a run and does not make it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

HOLD = """
import sys, time
from pathlib import Path
from augstudy.core.lock import holding
with holding(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def held() -> Callable[[Path], AbstractContextManager[None]]:
    """`with held(lock):` another process has this lock; at the end of the block it is killed."""

    @contextmanager
    def hold(lock: Path) -> Iterator[None]:
        with subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            try:
                yield
            finally:
                other.kill()

    return hold
