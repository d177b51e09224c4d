"""Accuracy against the control of a one-axis sweep, a panel a layer."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from augstudy.show.base import Results, Row
from augstudy.show.figures.base import NothingToShow
from augstudy.show.looks import Look, reference
from augstudy.show.panels import curve, panels
from augstudy.show.scores import scores, spread_said, told
from augstudy.show.style import house, line_look
from augstudy.show.table import measure

__all__ = ["StrengthCurves"]


@dataclass(frozen=True)
class StrengthCurves:
    """Mean over seeds with its 95 % t interval against the values of a sweep, a line a label, a panel a layer.

    Rows that the sweep does not reach are level lines. Values that are no numbers stand in the study's order.

    Args:
        metric: what is drawn; `top1` is in per cent.
        probe: its name; the study's first unless told.
        width: inches.
    """

    metric: str = "top1"
    probe: str = ""
    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        if len(results.axes) != 1:
            what = f"the study sweeps over {len(results.axes)} settings, not one"
            raise NothingToShow(what, "Sweep over one, or draw heat_map for two.")
        table = scores(results, self.metric, self.probe)
        if table.empty:
            raise NothingToShow(f"no run has a {self.metric} value", f"Finish the study first: {results.command}")
        layers = [layer for layer in results.layers if layer in set(table["layer"])]
        lines = _lines(results, table)
        key = _looks(lines)
        caption = told(results, self.metric, [table["probe"].iloc[0]], spread_said(table["n"], "bands"))
        places = _places([row.values[0] for row in results.rows])
        with house():
            figure, axes = panels(results.title, caption, key, layers, self.width)
            for ax, layer in zip(axes, layers, strict=True):
                part = table[table["layer"] == layer].set_index("key")
                for label, rows in lines.items():
                    self._draw(ax, part, rows, places, (label, key[label]))
                _name_axis(ax, results.axes[0] + results.unit(results.axes[0]), places)
                ax.set_ylabel(measure(self.metric))
        return figure

    def _draw(self, ax: Axes, part: pd.DataFrame, rows: list[Row], places: dict[Any, float], line: Any) -> None:
        label, look = line
        there = [row for row in rows if row.key in part.index]
        level = len(rows) == 1 and (rows[0].values[0] == "" or len(places) > 1)  # one encoder for the whole axis
        if there and level:
            mean = part.at[there[0].key, "mean"]
            ax.axhline(mean, color=look.colour, linestyle=look.dash, linewidth=1.2, label=label)
        elif there:
            there.sort(key=lambda row: places[row.values[0]])
            curve(ax, [places[row.values[0]] for row in there], part.loc[[row.key for row in there]], look, label)


def _lines(results: Results, table: pd.DataFrame) -> dict[str, list[Row]]:
    """Label -> its rows with anything to show, one a value of the sweep."""
    there = set(table["key"])
    lines: dict[str, list[Row]] = {}
    for row in results.distinct_rows:
        if row.key in there:
            lines.setdefault(row.label, []).append(row)
    return lines


def _looks(lines: dict[str, list[Row]]) -> dict[str, Look]:
    """A look a label: here all rows of a label are one line, so colours are not spent on each of them."""
    others = [label for label, rows in lines.items() if not rows[0].is_reference]
    return {
        label: reference(rows[0].method) or Look(*line_look(others.index(label)), "-") for label, rows in lines.items()
    }


def _places(values: list[Any]) -> dict[Any, float]:
    """Where each value of the axis stands: numbers as they are, anything else one after the other."""
    found = [value for value in dict.fromkeys(values) if value != ""]
    if all(isinstance(value, int | float) for value in found):
        return {value: float(value) for value in found}
    return {value: float(place) for place, value in enumerate(found)}


def _name_axis(ax: Axes, axis: str, places: dict[Any, float]) -> None:
    ax.set_xlabel(axis)
    if not all(isinstance(value, int | float) for value in places):
        turn, side = (45, "right") if sum(len(str(value)) for value in places) > 18 else (0, "center")
        ax.set_xticks(list(places.values()), [str(value) for value in places], rotation=turn, ha=side)
