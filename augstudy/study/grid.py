"""The grid that rows, sweep and seeds of a study span: its points, and those that are one and the same run."""

import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from augstudy.core.errors import UserError

__all__ = ["check_lists", "distinct", "grid"]

Point = dict[str, Any]  # sweep axis -> value


def grid(axes: Mapping[str, Sequence[Any]]) -> list[Point]:
    """Every combination of the values of some axes, the last axis changing first; one empty point without axes."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def distinct(points: Sequence[Point], identities: Sequence[Hashable]) -> list[tuple[int, Point]]:
    """The points of a row that are runs of their own, without the axes that do not reach them.

    Args:
        identities: what the run of each point depends on; points of equal identity are one.

    Returns:
        For each identity, the number of its first point, and the axis values that all its points share.
    """
    groups: dict[Hashable, list[int]] = {}
    for number, identity in enumerate(identities):
        groups.setdefault(identity, []).append(number)
    return [(same[0], _shared([points[number] for number in same])) for same in groups.values()]


def _shared(points: Sequence[Point]) -> Point:
    return {key: value for key, value in points[0].items() if all(point[key] == value for point in points)}


def check_lists(labels: Sequence[Any], seeds: Sequence[int], sweep: Mapping[str, Sequence[Any]]) -> None:
    """Raises UserError where one of these spans nothing, or says a thing twice."""
    if not labels:
        raise UserError("rows: the list is empty", "Give at least one row: {label: ..., method: ...}.")
    if not seeds:
        raise UserError("seeds: the list is empty", "Give at least one seed, such as [0].")
    if any(seed < 0 for seed in seeds):
        raise UserError(f"seeds: {list(seeds)} has a negative one", "Use whole numbers from 0 on.")
    if len(set(seeds)) < len(seeds):
        raise UserError(f"seeds: {list(seeds)} has one twice", "List each seed once.")
    for key, values in sweep.items():
        if not values:
            raise UserError(f"sweep: {key} has no values", f"Give at least one, such as {key}: [1], or leave it out.")
    for label in labels:
        if labels.count(label) > 1:
            raise UserError(f"rows: two rows are labelled {label!r}", "Give each row a label of its own.")
