"""Where a run's epochs were made, also of one that was stopped and goes on elsewhere."""

import pytest

from augstudy.core.store import write_yaml
from augstudy.study.provenance import continued

HERE = {"date": "2026-11-02", "commit": "b", "versions": {}, "device": "laptop", "threads": 2, "precision": "32-true"}
THERE = HERE | {"date": "2026-11-01", "commit": "a", "device": "A100"}
CONFIG = {"config": {"method": {"epochs": 10}}}


@pytest.fixture
def left(tmp_path):
    path = tmp_path / "run.yaml"
    write_yaml(path, THERE | CONFIG | {"stopped": "SIGTERM"})
    return path


def test_a_run_that_goes_on_elsewhere_tells_of_both_machines(left):
    facts = continued(HERE | CONFIG, left, 4)
    assert facts == HERE | CONFIG | {"before": [THERE]}
    write_yaml(left, facts)
    third = HERE | CONFIG | {"commit": "c"}
    assert continued(third, left, 6) == third | {"before": [THERE, HERE]}


def test_one_that_goes_on_where_it_was_tells_no_more_than_that(left):
    again = THERE | CONFIG | {"date": "2026-11-03"}
    assert continued(again, left, 4) == again


def test_one_with_no_epoch_left_was_made_where_it_was_made(left):
    assert continued(HERE | CONFIG | {"label": "now"}, left, 10) == THERE | CONFIG | {"label": "now"}


def test_one_that_begins_anew_or_whose_facts_are_damaged_has_no_past(left, tmp_path):
    assert continued(HERE | CONFIG, left, 0) == HERE | CONFIG
    assert continued(HERE | CONFIG, tmp_path / "none.yaml", 4) == HERE | CONFIG
    left.write_text("a: [b\n")
    assert continued(HERE | CONFIG, left, 4) == HERE | CONFIG
