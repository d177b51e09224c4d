"""Laws of the verdicts: scipy's paired interval is the oracle, and nothing is shown by seeds that are not there."""

import math

import pytest
from scipy.stats import ttest_rel

from augstudy.core.store import StudyFolder
from augstudy.show.base import load
from augstudy.show.verdicts import CONTRADICTED, HOLDS, NOT_SHOWN, judge

from .synthetic import LINES, accuracy, failed, metric, records_of, study_index, write_study

GOOD, BAD = [51.2, 52.9, 50.1, 52.0], [48.0, 49.1, 47.7, 48.2]  # differences 3.2, 3.8, 2.4, 3.8
GREATER = {"say": "a beats b", "greater": {"label": "a", "layer": "conv2"}, "than": {"label": "b"}}
NOT_WORSE = {"say": "a is as good as b", "not_worse": {"label": "a", "layer": "conv2"}, "than": {"label": "b"}}


@pytest.fixture
def judged(tmp_path):
    """`judged(claim, a=[...], b=[...])`: the line of a claim about rows with these top-1, one a seed; None failed."""

    def line(claim, **values):
        index = study_index(tuple((label, "moco", "full") for label in values), tuple(range(len(values["a"]))))
        records = records_of(index, layers=("conv2",))
        for run in index["runs"]:
            value = values[run["label"]][run["seed"]]
            records[run["hash"]]["evaluations"][1]["metrics"] = [metric("conv2", value)]
            if value is None:
                records[run["hash"]] = failed(run)
        folder = write_study(StudyFolder(tmp_path / "synthetic"), index | {"claims": [claim]}, records)
        [found] = judge(load(folder)).itertuples()
        return found

    return line


def test_difference_and_interval_are_those_of_scipys_paired_test(judged):
    found = judged(GREATER, a=GOOD, b=BAD)
    oracle = ttest_rel(GOOD, BAD).confidence_interval(0.95)
    assert found.difference == pytest.approx((3.2 + 3.8 + 2.4 + 3.8) / 4)
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high))
    assert (found.n, found.verdict, found.reason) == (4, HOLDS, "")


def test_two_numbers_by_hand(judged):
    """Differences 1 and 3: mean 2, sd sqrt(2), half width 12.706 sqrt(2) / sqrt(2)."""
    found = judged(GREATER, a=[11.0, 23.0], b=[10.0, 20.0])
    assert (found.low, found.high) == pytest.approx((2 - 12.7062, 2 + 12.7062), abs=1e-4)
    assert found.verdict == NOT_SHOWN


@pytest.mark.parametrize(
    ("by", "verdict"),
    [(0, HOLDS), (2.2, HOLDS), (2.3, NOT_SHOWN), (4.3, NOT_SHOWN), (4.4, CONTRADICTED)],
)
def test_greater_holds_above_its_margin_and_is_contradicted_below(judged, by, verdict):
    """The interval of GOOD - BAD is [2.25, 4.35]."""
    assert judged({**GREATER, "by": by}, a=GOOD, b=BAD).verdict == verdict


@pytest.mark.parametrize(
    ("by", "verdict"),
    [(4.4, HOLDS), (4.3, NOT_SHOWN), (2.3, NOT_SHOWN), (2.2, CONTRADICTED), (0, CONTRADICTED)],
)
def test_not_worse_holds_if_at_most_the_margin_is_lost(judged, by, verdict):
    """The interval of BAD - GOOD is [-4.35, -2.25]."""
    found = judged({**NOT_WORSE, "by": by}, a=BAD, b=GOOD)
    assert (found.verdict, found.bound) == (verdict, -by)


def test_pairing_finds_what_the_spread_over_seeds_would_hide(judged):
    """Both rows follow the seed, so that their bands overlap widely; their difference does not."""
    assert judged(GREATER, a=[41.0, 51.1, 61.0], b=[40.0, 50.0, 60.1]).verdict == HOLDS


def test_one_seed_shows_nothing(judged):
    found = judged(GREATER, a=[90.0], b=[10.0])
    assert (found.verdict, found.difference, found.n) == (NOT_SHOWN, 80.0, 1)
    assert math.isnan(found.low)
    assert "two" in found.reason


def test_seeds_that_all_differ_by_the_same_give_a_point(judged):
    found = judged(GREATER, a=[50.0, 51.0], b=[48.0, 49.0])
    assert (found.low, found.high, found.verdict) == (2, 2, HOLDS)
    assert judged(GREATER, a=[50.0, 51.0], b=[50.0, 51.0]).verdict == NOT_SHOWN
    assert judged(GREATER, a=[50.0, 51.0], b=[51.0, 52.0]).verdict == CONTRADICTED


def test_a_failed_run_leaves_a_claim_unshown_whatever_the_others_say(judged):
    found = judged(GREATER, a=[*GOOD, None], b=[*BAD, 48.0])
    assert (found.verdict, found.n) == (NOT_SHOWN, 4)
    assert found.low > 0
    assert found.reason == "a, seed 4: failed, loss became NaN at epoch 3"


def test_a_value_that_is_no_number_is_not_measured(judged):
    found = judged(GREATER, a=[50.0, 51.0, 52.0], b=[40.0, 41.0, float("nan")])
    assert (found.verdict, found.n, found.reason) == (NOT_SHOWN, 2, "b, seed 2: not measured")


def test_an_unfinished_study_shows_nothing_yet(tmp_path):
    index = study_index(LINES[:2], (0, 1)) | {"claims": [about("RotNet, 1 image", "random")]}
    [found] = judge(load(write_study(StudyFolder(tmp_path), index, {}))).itertuples()
    assert (found.verdict, found.n) == (NOT_SHOWN, 0)
    assert math.isnan(found.difference)
    assert found.reason.count("unfinished") == 4


def about(label, other, **axes):
    return {"say": "so", "greater": {"label": label, "layer": "conv3", **axes}, "than": {"label": other}}


def test_the_layer_and_the_rows_are_those_that_are_named(make):
    found = judge(load(make(study_index(LINES, (0, 1, 2)) | {"claims": [about("supervised", LINES[1][0])]})))
    differences = [accuracy(5, 2, seed) - accuracy(1, 2, seed) for seed in (0, 1, 2)]
    assert found["difference"].item() == pytest.approx(sum(differences) / 3)
    assert found["side"].item() == "supervised: conv3, linear"


def test_the_probe_is_the_studys_first_unless_named(make):
    probes = [{"name": "linear", "key": "aaaa1111"}, {"name": "knn", "key": "bbbb2222"}]
    linear, knn = about("supervised", "random"), about("supervised", "random", probe="knn")
    knn["than"] |= {"probe": "linear"}
    index = study_index(LINES, (0, 1)) | {"probes": probes, "claims": [linear, knn]}
    first, second = judge(load(make(index, probes=probes)))["difference"]
    assert second == pytest.approx(first - 2)  # the second probe of the synthetic study is two points below


def test_an_open_axis_is_judged_at_each_value_and_a_named_one_there_only(make):
    index = study_index(LINES[:2], (0, 1), (0.07, 0.2))
    for run in index["runs"][:4]:
        run["axes"] = {}
    index["runs"] = index["runs"][:2] + index["runs"][4:]
    index["claims"] = [about(LINES[1][0], "random"), about(LINES[1][0], "random", **{"method.temperature": 0.2})]
    found = judge(load(make(index)))
    assert found["claim"].tolist() == ["so (method.temperature=0.07)", "so (method.temperature=0.2)", "so"]
    assert found["side"].tolist()[2] == "RotNet, 1 image, temperature 0.2: conv3, linear"


def test_a_row_that_an_axis_does_not_reach_is_found_at_each_of_its_values(make):
    index = study_index(LINES[:2], (0, 1), (0.07, 0.2))
    index["runs"] = index["runs"][:2] + index["runs"][4:]
    for run in index["runs"][:2]:
        run["axes"] = {}
    claim = about(LINES[1][0], "random", **{"method.temperature": 0.2})
    claim["than"]["method.temperature"] = 0.2
    found = judge(load(make(index | {"claims": [claim]})))
    assert found["n"].tolist() == [2]
    assert found["side"].tolist() == ["RotNet, 1 image, temperature 0.2: conv3, linear"]
    assert found["than"].tolist() == ["random: conv3, linear"]


def test_an_axis_of_lists_is_matched_as_it_is_written(make):
    index = study_index(LINES[:1], (0, 1), ([0.1, 1], [0.5, 1]))
    sides = [{"label": "random", "layer": "conv1", "method.temperature": value} for value in ([0.1, 1], [0.5, 1])]
    index["claims"] = [{"say": "so", "greater": sides[0], "than": sides[1]}]
    assert judge(load(make(index)))["n"].tolist() == [2]


def test_a_study_without_claims_has_no_verdicts(usual):
    assert judge(usual).empty
