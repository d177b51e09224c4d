"""Laws of Exemplar: which crops are classes, that each is shown once an epoch, and the loss against NumPy."""

import numpy as np
import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.learn.methods.base import Context
from augstudy.learn.methods.exemplar import Exemplar, gradient


@pytest.fixture
def prepared(training):
    pretraining = training("exemplar", "method.classes=20")
    modules, optimizers = pretraining.make()
    return pretraining, modules, optimizers, modules.train().before_epoch(0, pretraining.source)


def test_every_seed_is_shown_once_an_epoch_in_another_order(prepared):
    pretraining, modules, _, first = prepared
    second = modules.before_epoch(1, pretraining.source)
    assert len(first) == 20
    assert sorted(first.tolist()) == sorted(second.tolist()) == sorted(modules.seeds.tolist())
    assert first.tolist() != second.tolist()
    views = [pretraining.batch(first[:2], epoch).views[0] for epoch in (0, 1)]
    assert not torch.equal(*views)


def test_each_seed_has_a_class_of_its_own_and_other_crops_have_none(prepared):
    _, modules, _, _ = prepared
    assert torch.equal(modules.place[modules.seeds], torch.arange(20))
    assert (modules.place >= 0).sum() == 20


def test_loss_is_the_cross_entropy_of_the_seeds_class(prepared):
    pretraining, modules, _, order = prepared
    batch = pretraining.batch(order[:6], 0)
    modules.eval()
    loss = modules.loss(batch).item()
    scores = modules.head(modules.encoder.embed(batch.views[0])).detach().double().numpy()
    own = [modules.seeds.tolist().index(i) for i in order[:6].tolist()]
    assert loss == pytest.approx(np.mean([np.log(np.exp(s).sum()) - s[c] for s, c in zip(scores, own, strict=True)]))
    [told, _] = modules.diagnostics(batch)
    assert told.value == pytest.approx(100 * np.mean(scores.argmax(1) == own))
    assert told.chance == 5


class Slopes:
    """A source whose crop i is a ramp of slope i / 100."""

    def __len__(self):
        return 48

    def batch(self, index):
        return (index.float()[:, None, None, None] / 100 * torch.arange(8) / 8).expand(-1, 3, 8, -1)


def test_steeper_crops_are_seeds_more_often(prepared):
    modules = prepared[1]
    counts = torch.zeros(48)
    for seed in range(200):
        object.__setattr__(modules.context, "seed", seed)
        drawn = modules._drawn(Slopes())
        assert len(set(drawn.tolist())) == 20
        counts[drawn] += 1
    assert counts[0] == 0  # flat
    assert counts[40:].mean() > 2 * counts[8:16].mean() > 0


def test_gradient_is_the_mean_squared_difference_of_neighbours():
    x = torch.rand(2, 3, 5, 6)
    p = x.double().numpy()
    expected = [np.mean(np.diff(q, axis=1) ** 2) + np.mean(np.diff(q, axis=2) ** 2) for q in p]
    np.testing.assert_allclose(gradient(x).numpy(), expected, rtol=1e-5)


def test_more_classes_than_crops_are_refused(run_of):
    with pytest.raises(UserError, match="classes 8000 are more than the 48 crops"):
        Exemplar().modules(run_of("exemplar").backbone.encoder(), Context(0, 16, 48))


def test_an_epoch_is_as_long_as_there_are_classes():
    assert Exemplar(classes=30).visits(1000) == 30
    assert Exemplar(classes=30).visits(20) == 20


@pytest.mark.parametrize("wrong", [{"classes": 1}, {"hidden": (0,)}, {"dropout": 1.5}])
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Exemplar(**wrong)
