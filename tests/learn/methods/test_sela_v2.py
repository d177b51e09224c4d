"""Laws of SeLa-v2, its labels against NumPy; what it shares with DeepCluster-v2 is tested there."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

CROPS = 48


@pytest.fixture
def prepared(training):
    pretraining = training("sela_v2", "method.prototypes=[5,7,4]", "method.lr=1")
    modules, optimizers = pretraining.make()
    modules.train().before_epoch(0, pretraining.source)
    return pretraining, modules, optimizers


def slow_labels(cosines, epsilon=0.05, rounds=3000):
    p = np.exp((cosines - cosines.max()).astype(np.longdouble) / epsilon)
    columns = np.ones(p.shape[1], dtype=np.longdouble)
    for _ in range(rounds):
        rows = 1 / (p @ columns) / len(p)
        columns = 1 / (p.T @ rows) / p.shape[1]
    return (rows[:, None] * p * columns).argmax(1)


def test_each_head_transports_the_memory_of_one_view(prepared):
    pretraining, modules, _ = prepared
    modules.memory.copy_(normalize(torch.randn(modules.memory.shape), dim=2))
    modules.before_epoch(1, pretraining.source)
    for head, view in ((0, 0), (1, 1), (2, 0)):
        cosines = modules.memory[view].double() @ modules.prototypes[head].detach().double().T
        assert modules.labels[head].tolist() == slow_labels(cosines.numpy()).tolist()


def test_no_cluster_is_empty_and_marginals_hold(prepared):
    _, modules, _ = prepared
    for labels, prototypes in zip(modules.labels, modules.prototypes, strict=True):
        assert labels.bincount(minlength=len(prototypes)).min() > 0
    assert modules.even.misfit.max() <= 1e-6


def test_prototypes_are_trained_and_have_length_one(prepared):
    pretraining, modules, optimizers = prepared
    pretraining._set_lr(optimizers, 0.5)
    before = [p.clone() for p in modules.prototypes]
    pretraining._step(pretraining.batch(torch.arange(16), 0), modules, optimizers)
    for prototypes, old in zip(modules.prototypes, before, strict=True):
        assert not torch.allclose(prototypes, old, atol=1e-6)
        torch.testing.assert_close(prototypes.norm(dim=1), torch.ones(len(prototypes)))


def test_more_prototypes_than_crops_are_no_obstacle(training):
    training("sela_v2", "method.prototypes=[100]", "method.epochs=2")(lambda *words: None)
