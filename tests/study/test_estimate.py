"""Laws of the estimate: a slow step is timed on a part of its batch, and every method can rehearse."""

import time

import pytest
import torch

from augstudy.core import registry
from augstudy.learn.backbones.base import Encoder
from augstudy.study.estimate import human, on_line, step_seconds, training_seconds

CPU = torch.device("cpu")
TRAINED = [name for name in registry.names("learn.methods") if registry.find("learn.methods", name).trains]


class Clock:
    """Steps that take no time but move a clock: `fixed`, and so much a crop; below `least` crops they are refused.

    The first step of a size takes three times as long, and where it is `noisy`, every fifth one twice.
    """

    def __init__(self, monkeypatch, seconds, least=1, fixed=0.0, noisy=False):
        self.now, self.seconds, self.least, self.fixed, self.sizes = 0.0, seconds, least, fixed, []
        self.noisy = noisy
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def __call__(self, size):
        if size < self.least:
            raise ValueError("Expected more than 1 value per channel when training")
        slow = 1 if size in self.sizes else 3
        self.sizes.append(size)
        slow = 2 if self.noisy and slow == 1 and len(self.sizes) % 5 == 0 else slow
        self.now += slow * (self.fixed + size * self.seconds)


def test_a_quick_step_is_timed_whole(monkeypatch):
    clock = Clock(monkeypatch, 1e-3)
    assert step_seconds(clock, 100, 2.0, CPU) == pytest.approx(0.1)
    assert clock.sizes[-1] == 100
    assert clock.now < 3


def test_a_slow_step_is_timed_in_part_and_scaled(monkeypatch):
    clock = Clock(monkeypatch, 0.1)
    assert step_seconds(clock, 1000, 2.0, CPU) == pytest.approx(100)
    assert max(clock.sizes) < 50
    assert clock.now < 8


@pytest.mark.parametrize(("fixed", "each"), [(0.1, 0.02), (0.5, 0.01), (0.02, 0.05)])
def test_what_does_not_grow_with_the_batch_is_counted_once(monkeypatch, fixed, each):
    clock = Clock(monkeypatch, each, fixed=fixed)
    assert step_seconds(clock, 4096, 10.0, CPU) == pytest.approx(fixed + 4096 * each)
    assert max(clock.sizes) < 1000


def test_slow_steps_are_left_out(monkeypatch):
    clock = Clock(monkeypatch, 0.02, fixed=0.1, noisy=True)
    assert step_seconds(clock, 4096, 200.0, CPU) == pytest.approx(0.1 + 4096 * 0.02)


def test_the_fixed_cost_of_a_method_is_that_of_its_steps_not_of_its_samples(training, monkeypatch):
    """A training of known cost: 16 s a step and 0.5 s a sample, timed on parts of its batch of 16."""
    trained = training("rotnet", "method.epochs=3")
    clock = Clock(monkeypatch, 0.5, fixed=16.0)
    monkeypatch.setattr(type(trained), "rehearsal", lambda self: clock)
    steps = 3 * (len(trained.source) // 16)
    assert training_seconds(trained, 2.0) == pytest.approx(steps * (16 + 16 * 0.5))
    assert set(clock.sizes) == {4, 8}


def test_noise_makes_neither_cost_negative():
    assert on_line({4: 2.0, 8: 1.0}, 100) == 1.0  # a larger part that took no longer: all of it is fixed
    assert on_line({4: 1.0, 8: 4.0}, 100) == 50.0  # more than in proportion: none of it is
    assert on_line({4: 1.0, 8: 1.5}, 100) == pytest.approx(1.5 + 92 * 0.125)
    assert on_line({100: 3.0}, 100) == 3.0


def test_networks_that_refuse_small_parts_get_larger_ones(monkeypatch):
    clock = Clock(monkeypatch, 0.1, least=50)
    assert step_seconds(clock, 1000, 2.0, CPU) == pytest.approx(100)
    assert min(clock.sizes) == 64


def test_a_batch_below_the_smallest_part_is_timed_whole(monkeypatch):
    clock = Clock(monkeypatch, 1.0)
    assert step_seconds(clock, 3, 2.0, CPU) == pytest.approx(3)


@pytest.mark.parametrize("method", TRAINED)
def test_every_method_can_be_timed_and_nothing_is_written(training, method):
    trained = training(method)
    before = torch.random.get_rng_state()
    assert training_seconds(trained, 0.01) > 0
    assert not trained.folder.path.exists()
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("method", TRAINED)
def test_a_method_that_reads_all_crops_between_epochs_says_so(training, method, monkeypatch):
    """`passes` is what `before_epoch` really reads."""
    trained = training(method)
    modules, _ = trained.make()
    read = []
    for encoder in (m for m in modules.modules() if isinstance(m, Encoder)):
        monkeypatch.setattr(encoder, "embed", lambda x, embed=encoder.embed: read.append(len(x)) or embed(x))
    for epoch in range(trained.method.epochs):
        modules.before_epoch(epoch, trained.source)
    assert sum(read) == trained.method.passes() * len(trained.source)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "1 second"),
        (12.4, "12 seconds"),
        (119, "119 seconds"),
        (3.2 * 86400, "3.2 days"),
        (9.97 * 86400, "10 days"),
        (1e11, "3,169 years"),
        (480, "8 minutes"),
        (3 * 3600, "3 hours"),
        (41 * 86400, "41 days"),
        (3 * 366 * 86400, "3 years"),
    ],
)
def test_a_duration_is_said_in_units_that_one_can_grasp(seconds, said):
    assert human(seconds) == said
