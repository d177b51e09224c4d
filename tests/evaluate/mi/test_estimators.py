"""Estimators of mutual information against closed forms: normal vectors, strangers, twins."""

import math

import pytest
import torch

from augstudy.bench.references.information import Case, gaussian, truth
from augstudy.core import registry
from augstudy.core.errors import UserError
from augstudy.evaluate.mi.base import Estimator, Pairs
from augstudy.evaluate.mi.infonce import InfoNCE
from augstudy.evaluate.mi.ksg import KSG
from augstudy.evaluate.mi.smile import SMILE

NAMES = registry.names("evaluate.mi")
SMALL = {"infonce": InfoNCE(k=256, steps=120), "smile": SMILE(steps=150), "ksg": KSG(dims=5, limit=2500)}


def nats(name, pairs):
    """The estimate, for InfoNCE with its refitted critic: nothing trained a head for these."""
    metric = "nats (bilinear)" if name == "infonce" else "nats"
    return next(m for m in SMALL[name](pairs) if m.metric == metric)


@pytest.mark.parametrize("name", NAMES)
def test_is_an_estimator_whose_metrics_are_finite_and_hold_their_interval(name):
    assert isinstance(registry.find("evaluate.mi", name)(), Estimator)
    for metric in SMALL[name](gaussian(Case(0.7, 2), 1200, 0)):
        assert metric.metric.startswith("nats") or metric.metric == "ceiling"
        assert math.isfinite(metric.value)
        if metric.metric != "ceiling":
            assert metric.low <= metric.value <= metric.high


@pytest.mark.parametrize("name", NAMES)
def test_the_same_pairs_give_the_same_numbers(name):
    pairs = gaussian(Case(0.7, 2), 800, 0)
    assert SMALL[name](pairs) == SMALL[name](pairs)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("rho", "d", "slack"), [(0.5, 1, 0.08), (0.9, 1, 0.12), (0.5, 5, 0.3)])
def test_normal_vectors_have_their_closed_form(name, rho, d, slack):
    case = Case(rho, d)
    assert nats(name, gaussian(case, 3000, 1)).value == pytest.approx(truth(case), abs=slack)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("d", [1, 5, 20])
def test_more_correlation_never_gives_less(name, d):
    found = [nats(name, gaussian(Case(rho, d), 4000, 1)).value for rho in (0.0, 0.5, 0.9, 0.99)]
    assert found == sorted(found)
    assert found[-1] <= truth(Case(0.99, d)) + 0.3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("d", [1, 5])
def test_strangers_share_nothing(name, d):
    assert abs(nats(name, gaussian(Case(0.0, d), 3000, 2)).value) < 0.12


@pytest.mark.parametrize("name", ["infonce", "ksg"])
def test_twins_reach_the_ceiling(name):
    twins = gaussian(Case(1.0, 5), 3000, 3)
    ceiling = next(m.value for m in SMALL[name](twins) if m.metric == "ceiling")
    assert 0.9 * ceiling <= nats(name, twins).value <= ceiling + 1e-9


def test_no_pairs_give_more_than_log_k():
    x = torch.eye(512)
    metrics = {m.metric: m for m in InfoNCE(k=128, steps=1)(Pairs(x, x, (x, x), temperature=0.001))}
    assert metrics["ceiling"].value == pytest.approx(math.log(128))
    assert metrics["nats"].value == pytest.approx(math.log(128), abs=1e-6)
    assert metrics["nats"].high <= math.log(128) + 1e-9


def test_infonce_with_the_trained_critic_is_log_k_less_the_loss():
    generator = torch.Generator().manual_seed(0)
    z, w = torch.nn.functional.normalize(torch.randn(2, 8, 4, generator=generator), dim=2)
    estimator = InfoNCE(k=4, fit=0.5, steps=1)
    pairs = Pairs(z, w, (z, w), temperature=0.3)
    judge = pairs.parted(0.5)[1]
    a, b = (side.double() for side in judge.heads)
    scores = a @ b.T / 0.3
    losses = [torch.logsumexp(scores[i], 0) / 2 + torch.logsumexp(scores[:, i], 0) / 2 - scores[i, i] for i in range(4)]
    found = next(m for m in estimator(pairs) if m.metric == "nats")
    assert found.value == pytest.approx(math.log(4) - float(sum(losses)) / 4, abs=1e-5)


def test_the_interval_of_ksg_is_about_as_wide_as_the_spread_over_draws():
    values = [nats("ksg", gaussian(Case(0.8, 1), 1000, seed)) for seed in range(12)]
    spread = torch.tensor([m.value for m in values]).std().item()
    half = sum(m.high - m.low for m in values) / 24
    assert 0.8 <= half / spread <= 6


@pytest.mark.parametrize("estimator", [InfoNCE(k=16, fit=0.1), InfoNCE(k=2, fit=0.1), SMILE(), SMILE(fit=0.9), KSG()])
def test_as_many_pairs_as_it_says_that_it_needs_are_enough(estimator):
    found = estimator(gaussian(Case(0.5, 2), estimator.least, 0))
    assert all(math.isfinite(m.value) for m in found)


def test_a_limit_below_what_the_blocks_need_is_refused():
    with pytest.raises(UserError, match="limit"):
        KSG(limit=20)


def test_a_large_clip_loses_none_of_the_strangers():
    scores = torch.zeros(64, 64).fill_diagonal_(30.0)
    _, partition = SMILE(clip=50)._scores(lambda x, y: scores[: len(x)].clone(), torch.zeros(64, 1), torch.zeros(64, 1))
    assert partition.sub(1).abs().max() < 1e-6


def test_too_few_pairs_for_k_say_how_many_it_takes():
    with pytest.raises(UserError, match=r"k 256 is more than the 100 pairs.*\n.*mi.pairs to 513"):
        InfoNCE(k=256)(gaussian(Case(0.5, 1), 200, 0))


def test_a_feature_that_is_not_finite_is_refused():
    x = torch.zeros(4, 2)
    with pytest.raises(UserError, match="NaN or infinite"):
        Pairs(x, x / 0)
