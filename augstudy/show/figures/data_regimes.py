"""One image against many, method by method and layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from augstudy.show.base import Results, Row
from augstudy.show.figures.base import NothingToShow
from augstudy.show.scores import scores, spread_said, told
from augstudy.show.style import GREY, INK, LINE, SMALL, despine, house, line_look, page, wrapped
from augstudy.show.table import measure

__all__ = ["DataRegimes"]

_ACROSS = 4  # panels side by side
_STEP = 0.24  # inches from method to method
_ROOM = 0.75  # inches around a line of panels, for its titles and ticks
_DODGE = 0.3  # of the way to the next method, between the first mark of a method and its last
_LETTER = 0.075  # inches, of a letter in the legend
_NAMES = 1.4  # inches for the methods' names
_REFERENCE = {"random": (GREY, ":"), "supervised": (INK, "--")}

Group = tuple[str, dict[str, Row]]  # a method's name, and its rows by what they were trained on


@dataclass(frozen=True)
class DataRegimes:
    """A line a method, a mark for each regime that it was trained on, a panel a layer; bars: 95 % t interval.

    Rows belong together whose labels are the same up to the first comma; what follows it is the regime. `random` and
    `supervised` rows are upright lines (grey dotted, black dashed). Layers with the same methods stand side by side.

    Args:
        metric: what is compared; `top1` is in per cent.
        probe: its name; the study's first unless told.
        width: inches.
    """

    metric: str = "top1"
    probe: str = ""
    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        table = scores(results, self.metric, self.probe)
        table = table.set_index(["key", "layer"])
        groups = _groups(results, {key for key, _ in table.index})
        if not groups:
            what = "no method was trained on several regimes of data"
            raise NothingToShow(what, 'Give its rows labels such as "MoCo, 1 image" and "MoCo, many images".')
        regimes = list(dict.fromkeys(regime for _, rows in groups for regime in rows))
        references = [row for row in results.distinct_rows if row.is_reference]
        lines = _lines(results.layers, groups, table)
        heights = [_STEP * len(own) + _ROOM for _, own in lines]
        across = max(1, min(4, int(self.width / (0.6 + _LETTER * max(map(len, regimes))))))
        legend = (1.5 + (len(regimes) + 1) // across) * SMALL * LINE
        with house():
            caption = told(results, self.metric, [table["probe"].iloc[0]], spread_said(table["n"], "bars"))
            figure = page(results.title, caption, self.width, sum(heights) + legend)
            top, *parts = figure.subfigures(1 + len(lines), 1, height_ratios=[legend, *heights], squeeze=False)[:, 0]
            for part, (layers, own) in zip(parts, lines, strict=True):
                axes = _panels(part, len(layers), [name for name, _ in own])
                for ax, layer in zip(axes, layers, strict=True):
                    _draw(ax, own, regimes, table, layer)
                    _refer(ax, references, table, layer)
                    ax.set_title(layer, loc="left")
                    ax.set_xlabel(measure(self.metric))
            handles = {
                handle.get_label(): handle for ax in figure.axes for handle in ax.get_lines() if handle.get_gid()
            }
            top.legend(handles=list(handles.values()), loc="center", ncols=across, frameon=False)
        return figure


def _groups(results: Results, there: set[tuple[object, ...]]) -> list[Group]:
    found: dict[str, dict[str, Row]] = {}
    for row in results.distinct_rows:
        name, _, regime = row.name.partition(", ")
        if row.key in there and regime and not row.is_reference:
            found.setdefault(name, {})[regime] = row
    return [(name, rows) for name, rows in found.items() if len(rows) > 1]


def _lines(layers: Sequence[str], groups: list[Group], table: pd.DataFrame) -> list[tuple[list[str], list[Group]]]:
    """Lines of panels: up to four layers at which the same methods were measured, and those methods."""
    found: dict[tuple[str, ...], list[str]] = {}
    for layer in layers:
        own = tuple(name for name, rows in groups if any((row.key, layer) in table.index for row in rows.values()))
        if own:
            found.setdefault(own, []).append(layer)
    return [
        (some[start : start + _ACROSS], [group for group in groups if group[0] in own])
        for own, some in found.items()
        for start in range(0, len(some), _ACROSS)
    ]


def _panels(part: SubFigure, count: int, names: list[str]) -> list[Axes]:
    axes = list(part.subplots(1, _ACROSS, sharey=True))
    axes[0].set_yticks(range(len(names)), [wrapped(name, _NAMES) for name in names])
    axes[0].set_ylim(len(names) - 0.4, -0.6)  # the first method on top
    for ax in axes[:count]:
        ax.grid(axis="y", color="#e6e6e6", linewidth=0.6)
        despine(ax)
    for ax in axes[count:]:
        ax.set_axis_off()
    return axes[:count]


def _draw(ax: Axes, groups: list[Group], regimes: list[str], table: pd.DataFrame, layer: str) -> None:
    """A method's marks lie a little above and below its line, so that equal ones are both seen."""
    for number, regime in enumerate(regimes):
        own = [(place, rows[regime].key) for place, (_, rows) in enumerate(groups) if regime in rows]
        own = [(place, key) for place, key in own if (key, layer) in table.index]
        if not own:
            continue
        mean, low, high = (np.array([table[name][key, layer] for _, key in own]) for name in ("mean", "low", "high"))
        shift = _DODGE * (number / (len(regimes) - 1) - 0.5)
        places = [place + shift for place, _ in own]
        colour, marker = line_look(number)[0], "os^Dv<"[number % 6]
        if np.isfinite(low).any():
            ax.errorbar(mean, places, xerr=[mean - low, high - mean], fmt="none", ecolor=colour, elinewidth=0.9)
        ax.plot(mean, places, linestyle="", marker=marker, markersize=4, color=colour, label=regime, gid="regime")


def _refer(ax: Axes, references: list[Row], table: pd.DataFrame, layer: str) -> None:
    """Upright lines; references of another backbone have no such layer."""
    for row in references:
        if (row.key, layer) in table.index:
            colour, dash = _REFERENCE[row.method]
            at = table["mean"][row.key, layer]
            ax.axvline(at, color=colour, linestyle=dash, linewidth=1, label=row.method, gid="reference")
