"""Laws of `Stopped`: it says which signal, what a shell would say, and the same at the other end of a pipe."""

import pickle
import signal

from augstudy.core.stop import Stopped


def test_it_is_the_same_in_another_process():
    stopped = pickle.loads(pickle.dumps(Stopped(signal.SIGTERM)))
    assert (str(stopped), stopped.code) == ("SIGTERM", 143)
