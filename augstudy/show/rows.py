"""The lines of a study's table: runs that differ in nothing but their seed."""

import json
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["REFERENCES", "Row", "merged", "rows_of"]

REFERENCES = ("random", "supervised")  # methods that bracket the others rather than compete with them


@dataclass(frozen=True)
class Row:
    """One line of the table: runs that differ in nothing but their seed.

    Args:
        label: the row's label in the study.
        values: one value per sweep axis, "" where the row does not have the axis.
        name: the label with what tells it from the study's other rows, for legends.
        method: name of the pretext method.
        runs: the entries of the index, by seed.
    """

    label: str
    values: tuple[Any, ...]
    name: str
    method: str
    runs: tuple[dict[str, Any], ...]

    @property
    def key(self) -> tuple[Any, ...]:
        """What identifies the row in the tidy frame: its label and its axis values."""
        return (self.label, *self.values)

    @property
    def is_reference(self) -> bool:
        return self.method in REFERENCES


def _plain(value: Any) -> Any:
    """An axis value that fits a table cell and can be grouped by."""
    return value if isinstance(value, (str, int, float)) else json.dumps(value)


def _values(run: dict[str, Any], axes: list[str]) -> tuple[Any, ...]:
    given = run.get("axes") or {}
    return tuple(_plain(given[axis]) if axis in given else "" for axis in axes)


def rows_of(runs: list[dict[str, Any]], axes: list[str]) -> list[Row]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["label"], *_values(run, axes)), []).append(run)
    return [
        Row(label, tuple(values), _name(label, axes, values), group[0]["method"], tuple(sorted(group, key=_seed)))
        for (label, *values), group in groups.items()
    ]


def _seed(run: dict[str, Any]) -> int:
    return int(run["seed"])


def _name(label: str, axes: list[str], values: list[Any]) -> str:
    short = [axis.rsplit(".", 1)[-1] for axis in axes]
    words = short if len(set(short)) == len(short) else axes  # view.strength and method.strength keep their full names
    parts = [f"{word} {value}" for word, value in zip(words, values, strict=True) if value != ""]
    return ", ".join([label, *parts])


def merged(group: list[Row], axes: list[str]) -> Row:
    """One row for several with the same runs, named by the axis values that they share."""
    columns = zip(*(row.values for row in group), strict=True)
    shared = [column[0] if len(set(column)) == 1 else "" for column in columns]
    return replace(group[0], name=_name(group[0].label, axes, shared))
