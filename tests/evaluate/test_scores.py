"""Laws of what probes share: the bootstrap against the binomial that it samples, standardised features."""

import pytest
import torch
from scipy.stats import binom

from augstudy.evaluate.scores import bootstrap, class_count, resamples, standardised


@pytest.mark.parametrize(("n", "share"), [(100, 0.5), (400, 0.9), (1000, 0.1)])
def test_the_interval_is_that_of_the_binomial(n, share):
    """How many of n resampled images are right is binomial, so its percentiles are known."""
    right = torch.arange(n) < share * n
    low, high = bootstrap(right)
    expected = [100 * binom.ppf(q, n, share) / n for q in (0.025, 0.975)]
    assert [low, high] == pytest.approx(expected, abs=150 / n)  # steps are of 100 / n
    assert low < 100 * share < high


def test_it_is_the_same_on_every_call_and_a_point_where_all_are_alike():
    right = torch.arange(50) % 3 == 0
    assert bootstrap(right) == bootstrap(right)
    assert bootstrap(torch.ones(50)) == (100, 100)
    assert bootstrap(torch.zeros(50)) == (0, 0)


def test_every_resample_has_as_many_images_and_all_images_are_drawn_alike():
    counts = resamples(60)
    assert bool((counts.sum(1) == 60).all())
    assert counts.float().mean(0).sub(1).abs().max() < 5 / 1000**0.5
    assert len(counts.unique(dim=0)) == 1000


def test_standardised_features_have_no_mean_and_unit_variance_and_constant_ones_are_taken_out():
    x = torch.cat((torch.randn(50, 3) * 7 + 2, torch.full((50, 1), 4.0)), 1)
    train, test = standardised(x, x[:10] + 1)
    assert torch.allclose(train.mean(0), torch.zeros(4), atol=1e-5)
    assert torch.allclose(train[:, :3].std(0), torch.ones(3))
    assert bool((test[:, 3] == 0).all())
    assert class_count(torch.tensor([0, 2]), torch.tensor([4])) == 5
