"""What a study claims: comparisons of two rows, as its file writes them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augstudy.core.errors import UserError, nearest

__all__ = ["WORDS", "Claim", "Point", "Side", "pairs", "read"]

WORDS = ("label", "layer", "probe", "metric")  # what a side says besides values of sweep axes

_KINDS = ("greater", "not_worse")

Point = tuple[str, Mapping[str, Any]]  # a row's label, and its value on each sweep axis that it has


@dataclass(frozen=True)
class Side:
    """One side of a comparison: what was measured of one row.

    Args:
        label, layer, probe, metric: as in the table.
        axes: the values of sweep axes that the claim names for this side.
    """

    label: str
    layer: str
    probe: str
    metric: str
    axes: Mapping[str, Any]


@dataclass(frozen=True)
class Claim:
    """A comparison of two rows.

    Args:
        say: the claim in words.
        kind: "greater" or "not_worse".
        side, than: what is compared; the difference is `side` less `than`.
        bound: what the difference must exceed: `by` for "greater", less `by` for "not_worse".
        place: where in the study it stands.
    """

    say: str
    kind: str
    side: Side
    than: Side
    bound: float
    place: str


def read(nodes: Sequence[Any], probe: str, axes: Sequence[str]) -> list[Claim]:
    """Claims as a study writes them -> claims; what only one side says, of layer, probe or metric, holds for both.

    Args:
        nodes: `{say: ..., greater: {...}, than: {...}, by: 0}`, or `not_worse` with a margin in place of `greater`. One
            with `each: [names]` besides is a claim for every name, which takes the place of "{each}" in its words.
        probe: the one of sides that name none; their metric is top1.
        axes: sweep axes of the study.

    Raises:
        UserError: names the claim by its place, and the key.
    """
    return [
        _claim(one, place, probe, axes)
        for number, node in enumerate(nodes)
        for place, one in _written_out(node, f"claims[{number}]")
    ]


def _written_out(node: Any, where: str) -> list[tuple[str, Any]]:
    """The claims that a node stands for, and the place of each."""
    if not isinstance(node, Mapping) or "each" not in node:
        return [(where, node)]
    names, rest = node["each"], {key: value for key, value in node.items() if key != "each"}
    if not isinstance(names, Sequence) or isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{where}: each is {names!r}, not a list of words", "Write each: [MoCo, RotNet].")
    if "{each}" not in str(rest.get("say")):
        what = f"{where}: what it says is the same for each"
        raise UserError(what, "Write {each} in say, and in a label, where the name belongs.")
    return [(f"{where}, {name}", _filled(rest, name)) for name in names]


def _filled(node: Any, name: str) -> Any:
    if isinstance(node, Mapping):
        return {key: _filled(value, name) for key, value in node.items()}
    return node.replace("{each}", name) if isinstance(node, str) else node


def pairs(claim: Claim, points: Sequence[Point]) -> list[tuple[int, int]]:
    """The numbers of the rows that a claim compares: more than one pair where it leaves a sweep axis open.

    On an axis that both rows have the two values are the same, unless both sides name one.

    Raises:
        UserError: the study has no such rows.
    """
    both = claim.side.axes.keys() & claim.than.axes.keys()
    found = [
        (i, j)
        for i in _matching(claim.side, points)
        for j in _matching(claim.than, points)
        if all(points[i][1][a] == points[j][1][a] for a in (points[i][1].keys() & points[j][1].keys()) - both)
    ]
    if not found:
        raise UserError(f"claim {claim.say!r}: no two rows of the study are compared", "Mend its labels and axes.")
    return found


def _claim(node: Any, where: str, probe: str, axes: Sequence[str]) -> Claim:
    if not isinstance(node, Mapping):
        raise UserError(f"{where} is {node!r}, not a claim", "Write {say: ..., greater: {...}, than: {...}}.")
    known = ("say", *_KINDS, "than", "by", "each")
    for key in node:
        if key not in known:
            raise UserError(f"{where}: unknown key {key!r}", nearest(str(key), known))
    if not isinstance(node.get("say"), str) or not node["say"].strip():
        raise UserError(f"{where}: it does not say what it claims", "Write say: the claim in words, in quotes.")
    kinds = [kind for kind in _KINDS if kind in node]
    if len(kinds) != 1 or "than" not in node:
        raise UserError(f"{where}: it needs two sides", "Write greater: {...} or not_worse: {...}, and than: {...}.")
    kind = kinds[0]
    by = _margin(node, kind, where)
    first, second = (_checked(node[key], f"{where}: {key}", axes) for key in (kind, "than"))
    usual = {"probe": probe, "metric": "top1"}
    side = _side(usual | _words(second) | first, f"{where}: {kind}")
    than = _side(usual | _words(first) | second, f"{where}: than")
    if side.metric != than.metric:
        raise UserError(f"{where}: {side.metric} is not to be compared with {than.metric}", "Give both one metric.")
    return Claim(node["say"], kind, side, than, by if kind == "greater" else -by, where)


def _margin(node: Mapping[str, Any], kind: str, where: str) -> float:
    if kind == "not_worse" and "by" not in node:
        what = f"{where}: not_worse does not say by how much"
        raise UserError(what, "Write by: the margin that would not matter, such as by: 1.0.")
    by = node.get("by", 0)
    if isinstance(by, bool) or not isinstance(by, int | float) or not 0 <= by < math.inf:
        raise UserError(f"{where}: by is {by!r}, not a number from 0 on", "Write by: 1.0, in the unit of the metric.")
    return float(by)


def _checked(node: Any, where: str, axes: Sequence[str]) -> dict[str, Any]:
    """A side as it is written, its keys known and its words words."""
    if not isinstance(node, Mapping):
        raise UserError(f"{where} is {node!r}, not a row and its layer", "Write {label: ..., layer: ...}.")
    for key, value in node.items():
        if key not in (*WORDS, *axes):
            raise UserError(f"{where}: unknown key {key!r}", nearest(str(key), (*WORDS, *axes)))
        if key in WORDS and not isinstance(value, str):
            raise UserError(f"{where}: {key} is {value!r}, which is no word", f"Write {key}: a word, in quotes.")
    return dict(node)


def _words(node: Mapping[str, Any]) -> dict[str, Any]:
    """What one side says that holds for the other too; axes are matched with the rows that have them."""
    return {key: value for key, value in node.items() if key in WORDS}


def _side(node: Mapping[str, Any], where: str) -> Side:
    for key in ("label", "layer"):
        if key not in node:
            raise UserError(f"{where}: it has no {key}", "Write {label: ..., layer: ...}.")
    return Side(**_words(node), axes={key: value for key, value in node.items() if key not in WORDS})


def _matching(side: Side, points: Sequence[Point]) -> list[int]:
    """Rows of this label at these values; a row that an axis does not reach is the same at all of its values."""
    wanted = side.axes.items()
    return [
        number
        for number, (label, axes) in enumerate(points)
        if label == side.label and all(axes.get(axis, value) == value for axis, value in wanted)
    ]
