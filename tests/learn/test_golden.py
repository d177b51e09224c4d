"""The first three losses of every method, as they were when its maths was last looked at.

After a change that is meant to move them:

    AUGSTUDY_RECAPTURE=1 python -m pytest tests/learn/test_golden.py

writes golden.json anew; the commit says why. It needs no network and takes seconds.
"""

import json
import os
from pathlib import Path

import pytest
import torch

from augstudy.core import registry, rng

GOLDEN = Path(__file__).with_name("golden.json")
TOLERANCE = 2e-3  # relative; processors add in different orders, and three steps let that grow
TRAINED = [n for n in registry.names("learn.methods") if registry.find("learn.methods", n).trains]


def first_losses(pretraining, steps=3):
    """Losses of the first steps of a training, as its loop takes them."""
    modules, optimizers = pretraining.make()
    with rng.torch_seeded(pretraining.seed, "train/0"):
        order = modules.train().before_epoch(0, pretraining.source)
        if order is None:
            order = rng.permutation(pretraining.seed, "train/order", len(pretraining.source))
        losses = []
        for step, index in enumerate(order.split(16)[:steps]):
            pretraining._set_lr(optimizers, step / 6)
            losses.append(pretraining._step(pretraining.batch(index, 0, step), modules, optimizers).item())
    return losses


@pytest.mark.parametrize("name", TRAINED)
def test_first_losses_are_those_kept(name, training):
    losses = first_losses(training(name))
    assert all(losses), "a loss that is nothing keeps nothing"
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if os.environ.get("AUGSTUDY_RECAPTURE"):
        kept = {**golden, name: [round(loss, 6) for loss in losses]}
        GOLDEN.write_text(json.dumps({n: kept[n] for n in sorted(kept) if n in TRAINED}, indent=1) + "\n")
    else:
        assert losses == pytest.approx(golden[name], rel=TOLERANCE)


def test_one_step_of_two_trainings_with_one_seed_is_the_same_to_the_last_bit(training):
    first, second = (first_losses(training("rotnet", folder=folder)) for folder in "ab")
    assert first == second
    assert torch.tensor(first).isfinite().all()
