"""Laws of DeepCluster."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from augstudy.learn.backbones.base import fingerprint, signed
from augstudy.learn.kmeans import kmeans, pca_whiten
from augstudy.learn.methods.deepcluster import uniform_over_clusters
from augstudy.learn.reading import centre


@given(labels=st.lists(st.integers(0, 6), min_size=1, max_size=80), epoch=st.integers(0, 3))
@settings(deadline=None, max_examples=80)
def test_every_cluster_is_drawn_about_equally_often(labels, epoch):
    labels = torch.tensor(labels)
    order = uniform_over_clusters(labels, 0, epoch)
    assert len(order) == len(labels)
    drawn = {int(c): int((labels[order] == c).sum()) for c in labels.unique()}
    share = len(labels) // len(drawn) + 1
    assert max(drawn.values()) <= share
    assert sum(share - n for n in drawn.values()) == share * len(drawn) - len(labels)  # what the cut to N takes


def test_members_of_a_small_cluster_are_repeated_evenly_and_of_a_large_one_left_out():
    labels = torch.tensor([0] * 97 + [1] * 3)
    order = uniform_over_clusters(labels, 0, 0)
    times = order.bincount(minlength=100)
    assert times[:97].max() == 1
    assert times[97:].max() - times[97:].min() <= 2  # one by repetition, one by the cut to N
    assert 45 <= int(times[97:].sum()) <= 51


def test_order_is_shuffled_and_changes_with_the_epoch():
    labels = torch.arange(60) % 4
    first, second = (uniform_over_clusters(labels, 0, epoch) for epoch in (0, 1))
    assert not torch.equal(first, second)
    assert torch.equal(first, uniform_over_clusters(labels, 0, 0))
    assert len(labels[first[:12]].unique()) > 1


@pytest.fixture
def deepcluster(training):
    pretraining = training("deepcluster", "method.clusters=6", "method.hidden=[10]")
    modules, optimizers = pretraining.make()
    return pretraining, modules, optimizers


def test_an_epoch_starts_with_new_labels_and_a_new_head(deepcluster):
    pretraining, modules, optimizers = deepcluster
    source, trunk = pretraining.source, fingerprint(modules.encoder)
    modules.before_epoch(0, source)
    first, labels = modules.head.weight.detach().clone(), modules.labels.clone()
    assert fingerprint(modules.encoder) == trunk  # clustering only looks
    batch = pretraining.batch(torch.arange(16), 0)
    for _ in range(3):
        pretraining._step(batch, modules, optimizers)
    modules.before_epoch(1, source)
    assert torch.equal(modules.agreement.previous, labels)
    assert not torch.equal(modules.head.weight, first)
    assert modules.head.bias.count_nonzero() == 0
    assert 0.005 < modules.head.weight.std() < 0.015


def test_nothing_of_the_heads_optimiser_carries_over_to_the_next_epoch(deepcluster):
    """A new optimiser each epoch, as published, is this one: it keeps no state."""
    pretraining, modules, optimizers = deepcluster
    modules.before_epoch(0, pretraining.source)
    pretraining._step(pretraining.batch(torch.arange(16), 0), modules, optimizers)
    kept = {name: [v for s in o.state.values() for v in s.values() if v is not None] for name, o in optimizers.items()}
    assert not kept["head"]
    assert kept["trunk"]


def test_features_are_read_in_eval_mode_in_order_from_crops_as_they_are(deepcluster):
    pretraining, modules, _ = deepcluster
    modules.train()
    x = modules._features(pretraining.source)
    assert modules.training
    modules.eval()
    crops = signed(pretraining.source.batch(torch.arange(len(pretraining.source))))
    with torch.no_grad():
        torch.testing.assert_close(x, modules.hidden(modules.encoder.embed(crops)), rtol=1e-4, atol=1e-5)


def test_loss_asks_each_crop_for_the_cluster_it_fell_in(deepcluster):
    pretraining, modules, _ = deepcluster
    modules.before_epoch(0, pretraining.source)
    modules.eval()
    batch = pretraining.batch(torch.tensor([5, 3, 40, 3]), 0)
    with torch.no_grad():
        logits = modules.head(modules.last(modules.hidden(modules.encoder.embed(batch.views[0])))).double().numpy()
    clusters = modules.labels[[5, 3, 40, 3]].tolist()
    losses = [np.log(np.exp(row).sum()) - row[cluster] for row, cluster in zip(logits, clusters, strict=True)]
    assert modules.loss(batch).item() == pytest.approx(np.mean(losses), rel=1e-5)


def test_agreement_with_the_epoch_before_is_told_from_the_second_epoch_on(deepcluster):
    pretraining, modules, _ = deepcluster
    names = []
    for epoch in range(2):
        modules.before_epoch(epoch, pretraining.source)
        names.append([d.metric for d in pretraining._judge(modules)])
    assert "NMI with the epoch before" not in names[0]
    assert "NMI with the epoch before" in names[1]


def test_equal_clusterings_agree_completely(deepcluster):
    pretraining, modules, _ = deepcluster
    modules.before_epoch(0, pretraining.source)
    modules.agreement.previous.copy_((modules.labels + 1) % 6)  # the same clusters under other numbers
    nmi = {d.metric: d for d in pretraining._judge(modules)}["NMI with the epoch before"]
    assert nmi.value == pytest.approx(1)
    assert nmi.chance < 0.6


def test_more_clusters_than_crops_are_no_obstacle(training):
    pretraining = training("deepcluster", "method.clusters=100", "method.epochs=1")
    pretraining(lambda *words: None)


def test_the_centre_is_what_torchvision_cuts_out():
    x = torch.rand(2, 3, 9, 12)
    for side in (1, 4, 7):
        assert centre(x, side).shape == (2, 3, side, side)
    assert torch.equal(centre(x, 5), x[..., 2:7, 3:8])
    assert torch.equal(centre(x, 224), x)


def test_clustering_looks_at_the_centre_of_larger_crops(training):
    pretraining = training("deepcluster", "method.centre=16")  # of crops of 32 px
    modules, _ = pretraining.make()
    x = modules._features(pretraining.source)
    crops = signed(pretraining.source.batch(torch.arange(len(pretraining.source))))[..., 8:24, 8:24]
    modules.eval()
    with torch.no_grad():
        torch.testing.assert_close(x, modules.hidden(modules.encoder.embed(crops)), rtol=1e-4, atol=1e-5)


def test_agreement_with_labels_is_a_curve_of_its_own_where_there_are_any(training):
    pretraining = training("deepcluster", "rows=[{label: one, method: deepcluster, data: full}]")
    modules, _ = pretraining.make()
    source = pretraining.source
    for epoch in range(2):
        modules.before_epoch(epoch, source)
    modules.labels.copy_(source.labels(torch.arange(len(source))))  # clusters that are the classes
    found = {d.metric: d for d in pretraining._judge(modules)}
    assert found["NMI with the labels"].value == pytest.approx(1)
    assert found["NMI with the labels"].chance < 0.5
    assert found["NMI with the epoch before"].value < 1


def test_k_means_begins_as_the_settings_say(training):
    labels = []
    for seeding in ("random", "k-means++"):
        pretraining = training("deepcluster", "method.clusters=12", f"method.seeding={seeding}")
        modules, _ = pretraining.make()
        modules.before_epoch(0, pretraining.source)
        labels.append(modules.labels.clone())
    assert not torch.equal(*labels)


def test_the_features_of_all_crops_are_held_once(training, monkeypatch, live_bytes):
    """Wide features of many crops, so that they are most of what is held; 1.28 million of them are 21 GB."""
    pretraining = training("deepcluster", "method.hidden=[]", "method.clusters=4", "method.pca=200")
    modules, _ = pretraining.make()
    modules.head = torch.nn.Linear(256, 4)
    monkeypatch.setattr(modules.encoder, "embed", lambda x: x.flatten(1)[:, :1] * torch.arange(256.0))
    monkeypatch.setattr(type(pretraining.source), "__len__", lambda self: 20_000)
    monkeypatch.setattr(type(pretraining.source), "batch", lambda self, index: (index / 1e4).view(-1, 1, 1, 1))
    features = 20_000 * 256 * 4
    with live_bytes() as live:
        x = modules._features(pretraining.source)
        clustered = pca_whiten(x, 200, budget=features // 40)
    assert features <= live.peak <= 1.2 * features
    assert clustered.shape == (20_000, 200)
    expected = (torch.arange(20_000.0) / 1e4 * 2 - 1)[:, None] * torch.arange(256.0)
    torch.testing.assert_close(pca_whiten(expected, 200), clustered, rtol=1e-3, atol=1e-3)


def test_clusters_are_those_of_whitened_features_of_length_1(deepcluster):
    pretraining, modules, _ = deepcluster
    s = modules.settings
    x = normalize(pca_whiten(modules._features(pretraining.source), s.pca), dim=1)
    modules.before_epoch(0, pretraining.source)
    assert torch.equal(modules.labels, kmeans(x, s.clusters, s.iterations, 0, "deepcluster/kmeans/0", s.seeding)[0])
