"""Timing: turns, warm-up, medians, workers, and what a line says."""

import os
from dataclasses import dataclass, field
from itertools import count

import pytest
import torch

from augstudy.bench import base
from augstudy.bench.base import ROUNDS, WARM, Job, Line, Settings, Side, race
from augstudy.core.errors import UserError

CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Noting(Job):
    """Writes its name into a shared list, and makes as many items as the list of makes says."""

    name: str
    turns: list[str]
    makes: list[int] = field(default_factory=lambda: [1])

    def start(self):
        calls = count()

        def step():
            self.turns.append(self.name)
            return self.makes[min(next(calls), len(self.makes) - 1)]

        return step


@dataclass(frozen=True)
class Alone(Job):
    """Refuses to start in the parent's process, or on more than one thread."""

    parent: int

    def start(self):
        assert os.getpid() != self.parent
        assert torch.get_num_threads() == 1
        return lambda: 1


@dataclass(frozen=True)
class Broken(Job):
    """Fails at its first step."""

    def start(self):
        return lambda: 1 // 0


@pytest.fixture
def clock(monkeypatch):
    """A clock that is a second later each time it is looked at."""
    seconds = count()
    monkeypatch.setattr(base.time, "perf_counter", lambda: next(seconds))


def test_sides_take_turns():
    turns: list[str] = []
    race([Side("a", Noting("a", turns)), Side("b", Noting("b", turns))], 0.0, CPU)
    assert "".join(turns) == "ab" * (WARM + ROUNDS)


def test_the_first_rounds_do_not_count_and_a_hiccup_does_not_either(clock):
    makes = [10_000] * WARM + [0] + [6] * (ROUNDS - 1)
    assert race([Side("a", Noting("a", [], makes))], 0.0, CPU) == {"a": 3.0}  # 6 items in 2 seconds


def test_a_turn_lasts_its_share_of_the_seconds(clock):
    turns: list[str] = []
    race([Side("a", Noting("a", turns))], 4.0 * (WARM + ROUNDS), CPU)
    assert len(turns) == 4 * (WARM + ROUNDS)


def test_workers_run_in_processes_of_their_own_and_their_errors_come_through():
    side = Side("elsewhere", Alone(os.getpid()), processes=1)
    assert race([side], 0.0, CPU)["elsewhere"] > 0
    with pytest.raises(ZeroDivisionError):
        race([Side("broken", Broken(), processes=1)], 0.0, CPU)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"sizes": (4,)}, "size"),
        ({"seconds": -1.0}, "seconds"),
        ({"device": "tpu"}, "device"),
        pytest.param(
            {"device": "cuda"},
            "CUDA",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device"),
        ),
    ],
)
def test_settings_refuse_what_cannot_be(wrong, word):
    with pytest.raises(UserError, match=word):
        Settings(**wrong)


def test_a_line_has_the_ratio_and_four_digits():
    line = Line("crops", {"size": 32}, CPU, 12345.678, "a script", 100.0, {"psnr_db": 28.76543, "batch": 12345})
    assert line.record() == {
        "bench": "crops",
        "size": 32,
        "device": "cpu",
        "ours_per_s": 12350.0,
        "reference": "a script",
        "reference_per_s": 100.0,
        "ratio": 123.5,
        "psnr_db": 28.77,
        "batch": 12345,
    }
