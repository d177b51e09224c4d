"""The verdict on a curve: a reverse-U where there is one, and none where there is not."""

import numpy as np
import pytest

from augstudy.show.sweet_spot import judge_curve

PLACES = np.array([0.0, 0.5, 1.0, 1.5, 2.0])


def runs(truth, seed=0, noise=0.5, seeds=3, places=PLACES):
    """One accuracy a run at each place: the truth plus normal noise."""
    generator = np.random.default_rng(seed)
    x, point = np.repeat(places, seeds), np.repeat(np.arange(len(places)), seeds)
    return x, truth(x) + generator.normal(0, noise, len(x)), point


def share(kind, truth, count, **options):
    return np.mean([judge_curve(*runs(truth, seed, **options)).kind == kind for seed in range(count)])


def hill(x):
    return 50 - 6 * (x - 1.1) ** 2


def test_a_clear_hill_is_a_reverse_u_and_its_peak_is_found():
    verdicts = [judge_curve(*runs(hill, seed)) for seed in range(40)]
    assert all(verdict.kind == "reverse-U" for verdict in verdicts)
    assert np.mean([verdict.low <= 1.1 <= verdict.high for verdict in verdicts]) >= 0.85
    verdict = verdicts[0]
    assert 0 < verdict.low <= verdict.at <= verdict.high < 2
    assert verdict.curve(np.array([verdict.at])) > verdict.curve(np.array([0.0]))
    assert "sweet spot at strength" in verdict.sentence("strength")


def test_a_hill_with_a_sharp_top_is_found_too():
    assert share("reverse-U", lambda x: 50 - 8 * np.abs(x - 0.9), 10) >= 0.9


@pytest.mark.parametrize(
    "truth", [lambda x: 40 + 4 * x, lambda x: 50 - 5 * np.exp(-2 * x), lambda x: 45 + 4 * np.minimum(x, 1)]
)
def test_what_rises_or_levels_off_is_no_reverse_u(truth):
    assert share("reverse-U", truth, 40) <= 0.1
    assert share("rising", truth, 40) >= 0.5


def test_what_falls_is_falling():
    assert share("falling", lambda x: 40 - 3 * x, 10) >= 0.9


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_noise_alone_is_seldom_called_a_curve(seeds):
    assert share("reverse-U", lambda x: np.full_like(x, 40.0), 200, seeds=seeds) <= 0.05
    assert share("undecided", lambda x: np.full_like(x, 40.0), 100, seeds=seeds) >= 0.75


def test_a_peak_at_the_end_of_the_range_is_not_claimed():
    verdicts = [judge_curve(*runs(lambda x: 50 - 3 * (x - 1.95) ** 2, seed)) for seed in range(30)]
    assert sum(v.kind == "reverse-U" for v in verdicts) <= 3


def test_a_valley_is_no_reverse_u_and_is_called_a_valley():
    verdicts = [judge_curve(*runs(lambda x: 40 + 6 * (x - 1) ** 2, seed)) for seed in range(10)]
    assert {(v.kind, v.reason) for v in verdicts} == {("undecided", "a valley fits best")}


@pytest.mark.parametrize(
    ("kind", "truth"), [("rising", lambda x: 40 + 8 * np.sqrt(x)), ("falling", lambda x: 40 + 9 * np.exp(-2 * x))]
)
def test_a_bend_without_a_peak_within_reach_is_monotone(kind, truth):
    places = np.array([0.0, 0.25, 0.5, 1.0, 1.5, 2.0])
    assert share(kind, truth, 25, places=places) >= 0.75


@pytest.mark.parametrize(
    ("changes", "reason"), [({"places": PLACES[:3]}, "3 points"), ({"seeds": 1}, "one seed")], ids=["points", "seeds"]
)
def test_too_little_is_undecided_and_says_why(changes, reason):
    verdict = judge_curve(*runs(hill, **changes))
    assert verdict.kind == "undecided"
    assert reason in verdict.reason


def test_points_at_one_place_are_undecided():
    x, y, point = runs(hill)
    assert judge_curve(np.zeros_like(x), y, point).kind == "undecided"


def test_the_place_may_vary_with_the_run():
    x, y, point = runs(hill, noise=0.3)
    shaken = x + np.random.default_rng(1).normal(0, 0.02, len(x))
    assert judge_curve(shaken, y, point).kind == "reverse-U"
