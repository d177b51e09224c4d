"""Laws of reading claims: what holds for both sides, which rows are compared, and which mistakes are named where."""

import pytest

from augstudy.core.errors import UserError
from augstudy.show.claims import pairs, read

A, B = {"label": "a", "layer": "conv2"}, {"label": "b", "layer": "conv3"}
S = "view.strength"


def claim(axes=(S, "method.lr"), **parts):
    return read([{"say": "a beats b", "greater": A, "than": B, **parts}], "linear", list(axes))[0]


def test_probe_and_metric_have_defaults():
    found = claim()
    assert (found.side.label, found.side.layer, found.than.label, found.than.layer) == ("a", "conv2", "b", "conv3")
    assert (found.side.probe, found.side.metric, found.kind, found.bound) == ("linear", "top1", "greater", 0)


def test_what_only_one_side_says_holds_for_both():
    found = claim(greater={**A, "probe": "knn"}, than={"label": "b"})
    assert (found.than.layer, found.than.probe) == ("conv2", "knn")
    found = claim(greater={"label": "a", S: 1}, than={**B, "metric": "top5", S: 0})
    assert (found.side.layer, found.side.metric) == ("conv3", "top5")
    assert (found.side.axes, found.than.axes) == ({S: 1}, {S: 0})


def test_the_bound_is_what_the_difference_must_exceed():
    assert claim(by=1.5).bound == 1.5
    found = read([{"say": "as good", "not_worse": A, "than": B, "by": 1}], "linear", [])[0]
    assert (found.kind, found.bound) == ("not_worse", -1.0)


def test_a_claim_for_each_name_is_that_claim_written_out():
    node = {"say": "{each} on {each} wins", "greater": {"label": "{each}, 1", "layer": "conv1"}, "than": {"label": "r"}}
    found = read([{"say": "a beats b", "greater": A, "than": B}, {**node, "each": ["x", "y"], "by": 1}], "linear", [])
    assert [(one.say, one.side.label, one.than.label, one.bound) for one in found[1:]] == [
        ("x on x wins", "x, 1", "r", 1.0),
        ("y on y wins", "y, 1", "r", 1.0),
    ]
    assert [one.place for one in found] == ["claims[0]", "claims[1], x", "claims[1], y"]


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"say": "{each} wins", "each": "MoCo"}, "not a list"),
        ({"say": "{each} wins", "each": [1]}, "not a list"),
        ({"say": "MoCo wins", "each": ["MoCo"]}, "the same for each"),
    ],
)
def test_a_mistake_in_each_is_named(node, words):
    with pytest.raises(UserError, match=r"claims\[0\]: ") as caught:
        read([{"greater": A, "than": B, **node}], "linear", [])
    assert words in caught.value.what


POINTS = [
    ("random", {}),
    *(("a", {S: value}) for value in (0, 0.5)),
    *(("b", {S: value, "method.lr": lr}) for value in (0, 0.5) for lr in (1, 2)),
]


def compared(side, than):
    found = claim(greater={"layer": "conv2", **side}, than=than)
    return [(POINTS[i], POINTS[j]) for i, j in pairs(found, POINTS)]


def test_an_open_axis_gives_a_comparison_for_each_of_its_values():
    assert compared({"label": "a"}, {"label": "random"}) == [(POINTS[1], POINTS[0]), (POINTS[2], POINTS[0])]


def test_on_a_shared_axis_both_sides_have_the_same_value():
    found = compared({"label": "a"}, {"label": "b", "method.lr": 2})
    assert [(left[1][S], right[1][S], right[1]["method.lr"]) for left, right in found] == [(0, 0, 2), (0.5, 0.5, 2)]


def test_an_axis_value_of_one_side_holds_for_both():
    assert compared({"label": "a", S: 0.5}, {"label": "b", "method.lr": 1}) == [(POINTS[2], POINTS[5])]
    assert compared({"label": "a", S: 0.5}, {"label": "random"}) == [(POINTS[2], POINTS[0])]


def test_two_values_of_an_axis_can_be_compared():
    assert compared({"label": "a", S: 0.5}, {"label": "a", S: 0}) == [(POINTS[2], POINTS[1])]


def test_rows_that_are_not_there_are_an_error():
    with pytest.raises(UserError, match="a beats b"):
        compared({"label": "a", S: 3}, {"label": "random"})


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ("a > b", ["claims[0]", "'a > b'"]),
        ({"say": "x", "greater": A, "then": B}, ["claims[0]", "'then'", "'than'"]),
        ({"greater": A, "than": B}, ["claims[0]", "say"]),
        ({"say": 3, "greater": A, "than": B}, ["claims[0]", "say"]),
        ({"say": "x", "greater": A}, ["claims[0]", "than"]),
        ({"say": "x", "than": B}, ["claims[0]", "greater"]),
        ({"say": "x", "greater": A, "not_worse": A, "than": B, "by": 1}, ["claims[0]", "two sides"]),
        ({"say": "x", "not_worse": A, "than": B}, ["claims[0]", "by how much"]),
        ({"say": "x", "greater": A, "than": B, "by": -1}, ["claims[0]", "by is -1"]),
        ({"say": "x", "greater": A, "than": B, "by": True}, ["claims[0]", "by is True"]),
        ({"say": "x", "greater": A, "than": B, "by": float("nan")}, ["claims[0]", "by is nan"]),
        ({"say": "x", "greater": "a", "than": B}, ["claims[0]: greater", "'a'"]),
        ({"say": "x", "greater": A, "than": {**B, "strength": 1}}, ["claims[0]: than", "'strength'", S]),
        ({"say": "x", "greater": {**A, "lable": "a"}, "than": B}, ["claims[0]: greater", "'lable'", "'label'"]),
        ({"say": "x", "greater": {**A, "layer": 2}, "than": B}, ["claims[0]: greater", "layer is 2"]),
        ({"say": "x", "greater": {"label": "a"}, "than": {"label": "b"}}, ["claims[0]: greater", "no layer"]),
        (
            {"say": "x", "greater": {**A, "metric": "nmi"}, "than": {**B, "metric": "top1"}},
            ["claims[0]", "nmi", "top1"],
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(node, words):
    with pytest.raises(UserError) as caught:
        read([node], "linear", [S])
    assert len(str(caught.value).splitlines()) == 2
    for word in words:
        assert word in str(caught.value)
