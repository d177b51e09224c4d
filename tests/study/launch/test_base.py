"""What launchers share."""

from types import SimpleNamespace

import pytest

from augstudy.core.errors import UserError
from augstudy.study.launch import base
from augstudy.study.launch.base import Relay, planned


def test_a_machine_that_would_make_other_runs_says_so():
    plan, study = SimpleNamespace(key="abc"), SimpleNamespace(name="toy")
    laboratory = SimpleNamespace(planned=[plan], study=study)
    assert planned(laboratory, "abc") is plan
    with pytest.raises(UserError, match=r"finds other images or data for toy than where it was planned.*no run xyz"):
        planned(laboratory, "xyz")


def test_steps_are_told_seldom_and_all_else_at_once(monkeypatch):
    now, told = [100.0], []
    monkeypatch.setattr(base.time, "monotonic", lambda: now[0])
    relay = Relay(lambda what, words: told.append((what, *words)))
    relay.begin("rot", "")
    for done in range(20):
        relay.step(done, 20, "")
        now[0] += base.OFTEN / 4.5
    relay.end({}, None)
    assert told == [("begin", "rot", ""), *(("step", done, 20, "") for done in (0, 5, 10, 15)), ("end", {}, None)]
