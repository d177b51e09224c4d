"""Laws of SeLa, its loss and its labels against NumPy."""

import numpy as np
import pytest
import torch

from augstudy.learn.backbones.base import signed
from augstudy.learn.methods.sela import Sela

CROPS = 48


@pytest.fixture
def prepared(training):
    pretraining = training("sela", "method.clusters=6", "method.heads=3", "method.hidden=[12]", "method.dropout=0")
    modules, optimizers = pretraining.make()
    modules.train().before_epoch(0, pretraining.source)
    return pretraining, modules, optimizers


def slow_labels(logits, sharpness, rounds=2000):
    p = np.exp(logits - logits.max(1, keepdims=True)).astype(np.longdouble)
    p = (p / p.sum(1, keepdims=True)) ** sharpness
    columns = np.ones(p.shape[1], dtype=np.longdouble)
    for _ in range(rounds):
        rows = 1 / (p @ columns) / len(p)
        columns = 1 / (p.T @ rows) / p.shape[1]
    return (rows[:, None] * p * columns).argmax(1)


def test_loss_is_the_mean_over_heads_of_the_cross_entropy_of_their_labels(prepared):
    pretraining, modules, _ = prepared
    index = torch.tensor([5, 3, 40, 3])
    batch = pretraining.batch(index, 0)
    modules.eval()
    with torch.no_grad():
        features = modules.features(batch.views[0])
        logits = [head(features).double().numpy() for head in modules.heads]
    losses = [
        np.log(np.exp(row).sum()) - row[label]
        for rows, labels in zip(logits, modules.labels[:, index].tolist(), strict=True)
        for row, label in zip(rows, labels, strict=True)
    ]
    assert modules.loss(batch).item() == pytest.approx(np.mean(losses), rel=1e-5)


def test_labels_are_the_transport_of_each_heads_probabilities(prepared):
    pretraining, modules, _ = prepared
    crops = signed(pretraining.source.batch(torch.arange(CROPS)))
    with torch.no_grad():
        x = torch.cat([modules.features(part) for part in crops.split(16)])  # in training mode, as they were read
        for head, labels in zip(modules.heads, modules.labels, strict=True):
            assert labels.tolist() == slow_labels(head(x).double().numpy(), 25).tolist()
    assert not torch.equal(modules.labels[0], modules.labels[1])


def test_every_cluster_of_every_head_is_filled_and_all_alike(prepared):
    _, modules, _ = prepared
    for labels in modules.labels:
        counts = labels.bincount(minlength=6)
        assert counts.min() > 0
        assert counts.max() <= 2 * CROPS / 6
    assert modules.even.misfit.max() <= 1e-6


def test_labels_are_made_at_the_published_times():
    assert Sela(epochs=400).label_epochs() >= {0, 1, 2, 3, 4}
    assert max(Sela(epochs=400).label_epochs()) in (393, 394)
    assert Sela(epochs=5).label_epochs() == {0, 1, 2, 3, 4}
    assert Sela(epochs=4, optimisations=2).label_epochs() == {0}
    sparse = sorted(Sela(epochs=100, optimisations=10).label_epochs())
    assert np.all(np.diff(np.diff(sparse)) >= -1)  # denser early, but for rounding
    assert len(Sela(epochs=400, optimisations=100).label_epochs()) == Sela().passes() <= 100


def test_between_two_of_them_labels_hold(training):
    pretraining = training("sela", "method.optimisations=1")
    modules, optimizers = pretraining.make()
    modules.train().before_epoch(0, pretraining.source)
    before = modules.labels.clone()
    pretraining._step(pretraining.batch(torch.arange(16), 0), modules, optimizers)
    modules.before_epoch(1, pretraining.source)
    assert torch.equal(modules.labels, before)


def test_more_clusters_than_crops_are_no_obstacle(training):
    training("sela", "method.clusters=100", "method.epochs=2")(lambda *words: None)


def test_agreement_with_labels_is_told_where_there_are_any(training):
    pretraining = training("sela", "rows=[{label: one, method: sela, data: full}]")
    modules, _ = pretraining.make()
    modules.train().before_epoch(0, pretraining.source)
    assert "NMI with the labels" in {d.metric for d in pretraining._judge(modules)}
