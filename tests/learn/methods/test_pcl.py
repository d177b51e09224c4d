"""Laws of PCL: ProtoNCE and the concentration of clusters against NumPy, and when there are clusters at all."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from augstudy.core.errors import UserError
from augstudy.learn.backbones.base import signed
from augstudy.learn.kmeans import assign
from augstudy.learn.methods.base import Context
from augstudy.learn.methods.pcl import PCL, concentration

INDEX = torch.tensor([5, 3, 40, 11])


@pytest.fixture
def prepared(training):
    """`prepared("method.queue=6")`: a training with clusters, ready for its first step."""

    def made(*overrides):
        pretraining = training("pcl", "method.clusters=[5,9]", "method.bn_splits=1", *overrides)
        modules, optimizers = pretraining.make()
        modules.train().before_epoch(0, pretraining.source)
        return pretraining, modules, optimizers

    return made


def proto_nce(queries, prototypes, phi, labels, drawn):
    """Equation 11's second term for one grain: -log softmax of the own prototype, one query at a time."""
    losses = []
    for q, own in zip(queries, labels, strict=True):
        scores = [q @ prototypes[own] / phi[own], *(q @ prototypes[j] / phi[j] for j in drawn if j != own)]
        losses.append(np.log(sum(np.exp(scores))) - scores[0])
    return np.mean(losses)


@pytest.mark.parametrize(("queue", "crops"), [(4, "2x16"), (128, "2x16"), (128, "2x16 + 2x10")])
def test_loss_is_infonce_plus_the_mean_of_proto_nce_over_the_grains(prepared, queue, crops):
    view = ("view.name=multicrop", f"view.crops={crops}")
    pretraining, modules, _ = prepared(f"method.queue={queue}", "method.ema=1", *view)
    batch = pretraining.batch(INDEX, 0, step=7)
    modules.eval()
    info, queries = modules.contrast(batch)
    seen = [view for i, view in enumerate(batch.views) if i != 1]
    torch.testing.assert_close(queries, torch.cat([modules.query(view) for view in seen]))
    q, terms = queries.detach().double().numpy(), []
    for grain, (prototypes, phi) in enumerate(modules._grains()):
        drawn = modules._drawn(grain, 7).tolist()
        assert len(set(drawn)) == min(queue, len(prototypes))
        labels = modules.labels[grain][INDEX].tolist() * len(seen)
        terms.append(proto_nce(q, prototypes.double().numpy(), phi.double().numpy(), labels, drawn))
    assert modules.loss(batch).item() == pytest.approx(info.item() + np.mean(terms), rel=1e-5)


def phi_of(x, labels, centroids, temperature, alpha):
    """Equation 12, then as the released code treats single crops, extremes and the mean."""
    phi = np.zeros(len(centroids))
    for c, centroid in enumerate(centroids):
        members = x[labels == c]
        if len(members) > 1:
            phi[c] = sum(np.sqrt(np.square(m - centroid).sum()) for m in members) / len(members)
            phi[c] /= np.log(len(members) + alpha)
    phi[[np.sum(labels == c) <= 1 for c in range(len(centroids))]] = phi.max()
    phi = phi.clip(np.percentile(phi, 10), np.percentile(phi, 90))
    return temperature * phi / phi.mean()


def test_concentration_is_the_mean_distance_over_the_log_of_the_size():
    generator = torch.Generator().manual_seed(0)
    x = normalize(torch.randn(60, 6, generator=generator), dim=1)
    labels = torch.tensor([0] * 30 + [1] * 12 + [2] * 9 + [3] * 8 + [4])
    centroids = torch.stack([x[labels == c].mean(0) for c in range(5)])
    found = concentration(x, labels, centroids, 0.2, 10.0)
    np.testing.assert_allclose(found.numpy(), phi_of(x.numpy(), labels.numpy(), centroids.numpy(), 0.2, 10), rtol=1e-5)
    assert found.mean().item() == pytest.approx(0.2)
    assert found[0] == found.min()  # the largest of clusters as wide


def test_clusters_of_equal_crops_keep_a_temperature_above_nothing():
    x = torch.ones(8, 3)
    assert (concentration(x, torch.tensor([0] * 4 + [1] * 4), x[:2], 0.2, 10.0) > 0).all()


def test_clusters_are_those_of_the_key_tower_in_eval_mode_on_the_crops_as_they_are(prepared):
    pretraining, modules, _ = prepared()
    assert modules.training
    with torch.no_grad():
        x = modules.eval().key(signed(pretraining.source.batch(torch.arange(48))))
    for labels, (prototypes, _) in zip(modules.labels, modules._grains(), strict=True):
        torch.testing.assert_close(prototypes.norm(dim=1), torch.ones(len(prototypes)))
        centroids = torch.stack([x[labels == c].mean(0) for c in range(len(prototypes))])
        assert torch.equal(assign(x, centroids)[0], labels)
        torch.testing.assert_close(normalize(centroids, dim=1), prototypes)


def test_before_there_are_clusters_it_is_moco(training):
    pretraining = training("pcl", "method.epochs=3", "method.infonce_epochs=2", "method.ema=1")
    modules, _ = pretraining.make()
    batch = pretraining.batch(INDEX, 0)
    for epoch, clustered in ((0, False), (1, False), (2, True)):
        modules.train().before_epoch(epoch, pretraining.source)
        assert (modules.labels >= 0).all() == clustered
        modules.eval()
        assert (modules.loss(batch) == modules.contrast(batch)[0]) != clustered
        names = {d.metric for d in modules.diagnostics(batch)}
        assert ("views in the same cluster" in names) == clustered


def test_the_best_of_several_kmeans_is_kept(prepared):
    _, modules, _ = prepared("method.restarts=4")
    x = torch.randn(48, 16, generator=torch.Generator().manual_seed(1))
    spreads = []
    for restarts in (1, 4):
        object.__setattr__(modules.pcl, "restarts", restarts)
        labels, centroids = modules._clusters(x, 9, "test")
        spreads.append((x - centroids[labels]).square().sum().item())
    assert spreads[1] <= spreads[0]


def test_more_clusters_than_crops_are_refused(run_of):
    with pytest.raises(UserError, match="clusters 50 are more than the 48 crops"):
        PCL(clusters=(50,)).modules(run_of("pcl").backbone.encoder(), Context(0, 16, 48))


@pytest.mark.parametrize(
    "wrong",
    [{"clusters": ()}, {"clusters": (1,)}, {"infonce_epochs": 200}, {"alpha": 0.0}, {"restarts": 0}, {"seeding": "x"}],
)
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        PCL(**wrong)
