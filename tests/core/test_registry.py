"""Laws of registration by place, and of the error that a user reads."""

import dataclasses
import re

import pytest

from augstudy.core import registry
from augstudy.core.errors import UserError, culprit, nearest

ROOMS = [
    "augment.views",
    "data.datasets",
    "evaluate.probes",
    "learn.backbones",
    "learn.methods",
    "show.figures",
]


@pytest.mark.parametrize("room", ROOMS)
def test_every_part_of_a_room_is_found_under_its_file_name(room):
    names = registry.names(room)
    assert names == sorted(names)
    assert names
    assert "base" not in names
    for name in names:
        part = registry.find(room, name)
        assert part.__module__ == f"augstudy.{room}.{name}"
        assert dataclasses.is_dataclass(part) or callable(part)


@pytest.mark.parametrize("room", ROOMS)
def test_a_summary_is_the_first_line_of_the_docstring(room):
    for name in registry.names(room):
        assert registry.summary(room, name) == (registry.find(room, name).__doc__ or "").strip().splitlines()[0]


def test_an_unknown_name_raises_with_the_nearest_first():
    with pytest.raises(UserError) as caught:
        registry.find("learn.methods", "mocco")
    assert caught.value.what == "unknown method 'mocco'"
    assert caught.value.fix.startswith("Did you mean 'moco'?")
    assert "rotnet" in caught.value.fix


@pytest.mark.parametrize("name", [3, None, True, 1.5, [], {}])
def test_what_is_no_word_is_an_unknown_name(name):
    with pytest.raises(UserError, match=f"unknown method {re.escape(repr(name))}"):
        registry.find("learn.methods", name)


def test_a_name_is_never_a_path():
    for name in ("base", "..core.rng", "moco.MoCo", ""):
        with pytest.raises(UserError, match="unknown method"):
            registry.find("learn.methods", name)


def test_nearest_lists_everything_and_guesses_only_when_close():
    assert nearest("momentun", ["queue", "momentum"]) == "Did you mean 'momentum'? (known: momentum, queue)"
    assert nearest("xyz", ["queue", "momentum"]) == "Known: momentum, queue"
    assert nearest("xyz", []) == "Known: none"


def test_an_error_is_two_lines_and_gathers_its_place():
    error = UserError("momentum must lie in [0, 1], got 2", "Set it lower.").at("row 3").at("studies/x.yaml")
    assert str(error) == "studies/x.yaml: row 3: momentum must lie in [0, 1], got 2\nSet it lower."


def test_spelling_counts_but_for_capitals_and_names_are_listed_as_they_are():
    assert nearest("a", ["A", "B", "astronaut"]) == "Did you mean 'A'? (known: A, B, astronaut)"
    assert nearest("zzz", ["A", "moco"]) == "Known: A, moco"


def test_the_culprit_is_what_fails_alone_or_the_first_and_nothing_where_all_else_fails_too():
    def attempt(wrong, *, always=False):
        def tried(some):
            if always or wrong <= set(some):
                raise UserError("what", "fix")

        return tried

    assert culprit("abc", attempt({"b"})) == "b"
    assert culprit("abc", attempt({"b", "c"})) == "a"
    assert culprit("abc", attempt(set(), always=True)) is None
    assert culprit("", attempt({"a"})) is None
