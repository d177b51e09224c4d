"""What launchers share."""

from augstudy.study.launch import base
from augstudy.study.launch.base import Relay


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
