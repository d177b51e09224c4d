"""A lock is held by one process at a time, and by no dead one."""

import subprocess
import sys
import threading

from augstudy.core.lock import holding, turn

HOLD = (
    "import sys, time\nfrom pathlib import Path\nfrom augstudy.core.lock import holding\n"
    "with holding(Path(sys.argv[1])) as mine:\n    print(mine, flush=True)\n    time.sleep(60)\n"
)


def test_a_second_holder_is_told_that_it_has_nothing(tmp_path):
    with holding(tmp_path / "sub" / "lock") as first, holding(tmp_path / "sub" / "lock") as second:
        assert (first, second) == (True, False)
    with holding(tmp_path / "sub" / "lock") as again:
        assert again
    assert list((tmp_path / "sub").iterdir()) == []


def test_the_lock_of_a_process_that_was_killed_is_open(tmp_path):
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "True\n"
        with holding(path) as mine:
            assert not mine
        owner.kill()
        owner.wait()
        with holding(path) as mine:
            assert mine


def test_turn_waits_for_who_came_first(tmp_path):
    path, order = tmp_path / "lock", []

    def second():
        with turn(path):
            order.append("second")

    with turn(path):
        other = threading.Thread(target=second)
        other.start()
        other.join(0.5)
        order.append("first")
    other.join(10)
    assert order == ["first", "second"]
