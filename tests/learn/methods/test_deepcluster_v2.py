"""Laws of DeepCluster-v2, its loss against NumPy."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from augstudy.learn.backbones.base import signed
from augstudy.learn.kmeans import assign, kmeans

CROPS = 48


@pytest.fixture
def prepared(training):
    """A training of three heads with different numbers of prototypes, ready for its first step."""
    pretraining = training("deepcluster_v2", "method.prototypes=[5,7,4]")
    modules, optimizers = pretraining.make()
    modules.train().before_epoch(0, pretraining.source)
    return pretraining, modules, optimizers


def swapped(embeddings, prototypes, labels, temperature):
    """Mean over heads, views and samples of -log softmax at the crop's cluster, one number at a time, in float64."""
    losses = []
    for centroids, targets in zip(prototypes, labels, strict=True):
        for view in embeddings:
            for z, target in zip(view, targets, strict=True):
                logits = np.array([z @ c for c in centroids]) / temperature
                losses.append(np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[target])
    return np.mean(losses)


def test_loss_asks_both_views_for_the_cluster_of_their_crop_in_every_head(prepared):
    pretraining, modules, _ = prepared
    batch = pretraining.batch(torch.tensor([5, 3, 40, 3]), 0)
    modules.eval()
    loss = modules.loss(batch).item()
    embeddings = [modules.embed(view).detach().double().numpy() for view in batch.views]
    prototypes = [p.double().numpy() for p in modules.prototypes]
    expected = swapped(embeddings, prototypes, modules.labels[:, [5, 3, 40, 3]].tolist(), 0.1)
    assert loss == pytest.approx(expected, rel=1e-5)


def test_further_views_are_asked_for_the_cluster_too_and_not_remembered(training):
    pretraining = training("deepcluster_v2", "view.name=multicrop", "view.crops=2x16+2x10")
    modules, _ = pretraining.make()
    modules.train().before_epoch(0, pretraining.source)
    batch = pretraining.batch(torch.tensor([5, 3, 40]), 0)
    loss = modules.eval().loss(batch).item()
    embeddings = [modules.embed(view).detach() for view in batch.views]
    prototypes = [p.double().numpy() for p in modules.prototypes]
    targets = modules.labels[:, [5, 3, 40]].tolist()
    expected = swapped([z.double().numpy() for z in embeddings], prototypes, targets, 0.1)
    assert loss == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(modules.fresh[1], torch.stack(embeddings[:2]))


def test_prototypes_are_unit_centroids_of_the_memory_and_labels_the_nearest_of_them(prepared):
    _, modules, _ = prepared
    for h, prototypes in enumerate(modules.prototypes):
        torch.testing.assert_close(prototypes.norm(dim=1), torch.ones(len(prototypes)))
        assert torch.equal(modules.labels[h], assign(modules.memory[h % 2], prototypes.data)[0])
        assert not prototypes.requires_grad


def test_heads_take_turns_in_whose_memory_they_cluster(prepared):
    pretraining, modules, _ = prepared
    modules.memory.copy_(normalize(torch.randn(modules.memory.shape), dim=2))
    modules.before_epoch(1, pretraining.source)
    for h, view in ((0, 0), (1, 1), (2, 0)):
        k = len(modules.prototypes[h])
        labels = kmeans(modules.memory[view], k, 10, 0, f"deepcluster_v2/kmeans/{h}/1", spherical=True)[0]
        assert torch.equal(modules.labels[h], labels)


def test_memory_begins_with_the_crops_as_they_are(prepared):
    pretraining, modules, _ = prepared
    crops = signed(pretraining.source.batch(torch.arange(CROPS)))
    parts = [modules.embed(part) for part in crops.split(16)]  # in training mode, as when they were remembered
    torch.testing.assert_close(modules.memory[0], torch.cat(parts).detach(), rtol=1e-4, atol=1e-5)
    assert torch.equal(modules.memory[0], modules.memory[1])


def test_a_step_replaces_what_was_remembered_of_its_crops_and_of_no_others(prepared):
    pretraining, modules, optimizers = prepared
    before, index = modules.memory.clone(), torch.tensor([7, 0, 21])
    batch = pretraining.batch(index, 0)
    pretraining._step(batch, modules, optimizers)
    others = torch.ones(CROPS, dtype=torch.bool)
    others[index] = False
    assert torch.equal(modules.memory[:, others], before[:, others])
    assert torch.equal(modules.memory[:, index], modules.fresh[1])
    torch.testing.assert_close(modules.memory.norm(dim=2), torch.ones(2, CROPS))


def test_clusters_hold_for_an_epoch_and_the_memory_of_one_epoch_makes_those_of_the_next(prepared):
    pretraining, modules, optimizers = prepared
    first, prototypes = modules.labels.clone(), modules.prototypes[0].clone()
    for index in torch.arange(CROPS).split(16):
        pretraining._step(pretraining.batch(index, 0), modules, optimizers)
    assert torch.equal(modules.labels, first)
    assert torch.equal(modules.prototypes[0], prototypes)
    memory = modules.memory.clone()
    modules.before_epoch(1, pretraining.source)
    assert torch.equal(modules.memory, memory)
    assert torch.equal(modules.agreement.previous, first[0])
    assert not torch.equal(modules.prototypes[0], prototypes)


def test_views_that_are_equal_lie_in_the_same_cluster(prepared):
    pretraining, modules, _ = prepared
    batch = pretraining.batch(torch.arange(32), 0)
    batch.views[1] = batch.views[0]
    found = {d.metric: d for d in modules.eval().diagnostics(batch)}
    assert found["views in the same cluster"].value == 100
    assert found["views in the same cluster"].chance < 100


def test_agreement_with_the_epoch_before_is_told_from_the_second_epoch_on(prepared):
    pretraining, modules, _ = prepared
    name = "NMI with the epoch before"
    assert name not in {d.metric for d in pretraining._judge(modules)}
    modules.before_epoch(1, pretraining.source)
    assert name in {d.metric for d in pretraining._judge(modules)}


def test_agreement_with_labels_is_told_where_there_are_any(training):
    pretraining = training("deepcluster_v2", "rows=[{label: one, method: deepcluster_v2, data: full}]")
    modules, _ = pretraining.make()
    modules.train().before_epoch(0, pretraining.source)
    assert "NMI with the labels" in {d.metric for d in pretraining._judge(modules)}


def test_more_prototypes_than_crops_are_no_obstacle(training):
    training("deepcluster_v2", "method.prototypes=[100]", "method.epochs=2")(lambda *words: None)
