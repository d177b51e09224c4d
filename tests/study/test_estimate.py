"""Laws of the estimate: a slow step is timed on a part of its batch, and every method can rehearse."""

import time

import pytest
import torch

from augstudy.core import registry
from augstudy.study.estimate import human, step_seconds, training_seconds

CPU = torch.device("cpu")
TRAINED = [name for name in registry.names("learn.methods") if registry.find("learn.methods", name).trains]


class Clock:
    """Steps that take no time but move a clock: so much a crop; parts below `least` crops are refused."""

    def __init__(self, monkeypatch, seconds, least=1):
        self.now, self.seconds, self.least, self.sizes = 0.0, seconds, least, []
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def __call__(self, size):
        if size < self.least:
            raise ValueError("Expected more than 1 value per channel when training")
        self.sizes.append(size)
        self.now += size * self.seconds


def test_a_quick_step_is_timed_whole(monkeypatch):
    clock = Clock(monkeypatch, 1e-3)
    assert step_seconds(clock, 100, 2.0, CPU) == pytest.approx(0.1)
    assert clock.sizes[-1] == 100
    assert clock.now < 3


def test_a_slow_step_is_timed_in_part_and_scaled(monkeypatch):
    clock = Clock(monkeypatch, 0.1)
    assert step_seconds(clock, 1000, 2.0, CPU) == pytest.approx(100)
    assert max(clock.sizes) < 50
    assert clock.now < 4


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
    monkeypatch.setattr(
        modules.encoder, "embed", lambda x, embed=modules.encoder.embed: read.append(len(x)) or embed(x)
    )
    for epoch in range(trained.method.epochs):
        modules.before_epoch(epoch, trained.source)
    assert sum(read) == trained.method.passes() * len(trained.source)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "1 second"),
        (12.4, "12 seconds"),
        (119, "119 seconds"),
        (480, "8 minutes"),
        (3 * 3600, "3 hours"),
        (41 * 86400, "41 days"),
        (3 * 366 * 86400, "3 years"),
    ],
)
def test_a_duration_is_said_in_units_that_one_can_grasp(seconds, said):
    assert human(seconds) == said
