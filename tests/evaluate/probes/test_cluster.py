"""Laws of the cluster probe, against scikit-learn and a search over all namings."""

from itertools import permutations

import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.evaluate.features import Features
from augstudy.evaluate.probes.cluster import Cluster, best_names, principal


def test_the_naming_is_the_best_of_all():
    generator = torch.Generator().manual_seed(0)
    clusters, labels = (torch.randint(4, (60,), generator=generator) for _ in range(2))
    found = best_names(clusters, labels, 4)
    assert sorted(found.tolist()) == [0, 1, 2, 3]
    best = max(torch.tensor(p)[clusters].eq(labels).sum() for p in permutations(range(4)))
    assert found[clusters].eq(labels).sum() == best


def test_more_clusters_than_classes_leave_some_without_a_class():
    labels = torch.arange(60) % 3
    train = Features({"conv1": torch.randn(60, 5) + 30 * torch.eye(5)[labels]}, labels)
    found = {m.metric: m.value for m in Cluster(clusters=6)(train, train)}
    assert found["top1"] < 100
    assert 0 < found["ari"] < 1
    assert {m.metric: m.value for m in Cluster()(train, train)} == {"top1": 100, "nmi": pytest.approx(1), "ari": 1}


def test_principal_axes_have_unit_variance_and_none_is_blown_up():
    x = torch.randn(200, 3) @ torch.tensor([[9.0, 0, 0, 9], [0, 1, 0, 0], [0, 0, 0.1, 0]])
    x = x - x.mean(0)
    z = x @ principal(x, 4)
    assert torch.allclose(z.var(0, correction=0)[:3], torch.ones(3), atol=1e-2)
    assert float(z[:, 3].abs().max()) < 1e-3


@pytest.mark.parametrize("wrong", [{"clusters": -1}, {"dims": 0}, {"iterations": 0}, {"restarts": 0}])
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Cluster(**wrong)
