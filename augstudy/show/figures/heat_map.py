"""Accuracy over the two axes of a sweep, a map for each label and layer."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from augstudy.show.base import Results
from augstudy.show.figures.base import NothingToShow, Pixels
from augstudy.show.scores import scores, spread_said, told
from augstudy.show.style import LINE, SMALL, house, page, wrapped
from augstudy.show.table import measure

__all__ = ["HeatMap"]

_ACROSS = 4  # maps side by side: those of a label's layers
_CELL = 0.27  # inches that a cell is high
_PRINTED = 0.34  # inches that a cell must be wide to hold its number


@dataclass(frozen=True)
class HeatMap:
    """Mean over seeds in every cell, all maps in one scale of colours that also reads in grey; no run, no colour.

    Args:
        metric: what is drawn; `top1` is in per cent.
        probe: its name; the study's first unless told.
        width: inches.
    """

    metric: str = "top1"
    probe: str = ""
    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        if len(results.axes) != 2:
            what = f"the study sweeps over {len(results.axes)} settings, not two"
            raise NothingToShow(what, "Sweep over two, or draw strength_curves for one.")
        table = scores(results, self.metric, self.probe)
        reached = {row.key for row in results.rows if "" not in row.values}
        table = table[[key in reached for key in table["key"]]]
        if table.empty:
            raise NothingToShow(f"no run has a {self.metric} value", f"Finish the study first: {results.command}")
        ticks = [_values(results, axis) for axis in range(2)]
        layers = [layer for layer in results.layers if layer in set(table["layer"])]
        maps = {
            (label, layer): _grid(table[(table["label"] == label) & (table["layer"] == layer)], ticks)
            for label in dict.fromkeys(table["label"])
            for layer in layers
        }
        caption = told(results, self.metric, [table["probe"].iloc[0]], spread_said(table["n"], "bars").split(";")[0])
        with house():
            return _drawn(results, caption, maps, ticks, measure(self.metric), self.width)


def _values(results: Results, axis: int) -> list[Any]:
    """The values of an axis: numbers in their order, anything else in the study's."""
    found = [value for value in dict.fromkeys(row.values[axis] for row in results.rows) if value != ""]
    return sorted(found) if all(isinstance(value, int | float) for value in found) else found


def _grid(part: pd.DataFrame, ticks: list[list[Any]]) -> Pixels:  # -> (values of the second axis, of the first)
    """The means, NaN where there is none."""
    grid = np.full((len(ticks[1]), len(ticks[0])), np.nan)
    for (_, first, second), mean in zip(part["key"], part["mean"], strict=True):
        grid[ticks[1].index(second), ticks[0].index(first)] = mean
    return grid


def _drawn(
    results: Results,
    caption: str,
    maps: dict[tuple[str, str], Pixels],
    ticks: list[list[Any]],
    unit: str,
    width: float,
) -> Figure:
    labels = {label for label, _ in maps}
    across = min(_ACROSS, len(maps) // len(labels))
    down = -(-len(maps) // across)
    side = width / across - 0.7
    heads = [wrapped(f"{label}: {layer}" if len(labels) > 1 else layer, side, SMALL + 0.5) for label, layer in maps]
    high = len(ticks[1]) * _CELL + (max(head.count("\n") for head in heads) + 1) * SMALL * LINE + 0.75
    figure = page(results.title, caption, width, down * high)
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    low, top = (edge(list(maps.values())) for edge in (np.nanmin, np.nanmax))
    for ax, head, grid in zip(axes, heads, maps.values(), strict=False):
        ax.pcolormesh(grid, cmap="cividis", vmin=low, vmax=top, edgecolor="white", linewidth=0.5)
        ax.set_title(head, loc="left")
        _name(ax, results.axes, ticks)
        if side / len(ticks[0]) > _PRINTED:
            _print(ax, grid, (low + top) / 2)
    for ax in axes[len(maps) :]:
        ax.set_axis_off()
    figure.colorbar(axes[0].collections[0], ax=axes, label=unit, fraction=0.04, pad=0.02)
    return figure


def _name(ax: Axes, names: list[str], ticks: list[list[Any]]) -> None:
    ax.set_xticks(np.arange(len(ticks[0])) + 0.5, [str(value) for value in ticks[0]])
    ax.set_yticks(np.arange(len(ticks[1])) + 0.5, [str(value) for value in ticks[1]])
    if sum(len(str(value)) for value in ticks[0]) > 18:
        ax.tick_params("x", rotation=90)
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])


def _print(ax: Axes, grid: Pixels, middle: float) -> None:
    """The number in every cell, dark on the pale half of the scale and pale on the dark one."""
    for (y, x), mean in np.ndenumerate(grid):
        if np.isfinite(mean):
            colour = "black" if mean > middle else "white"
            ax.text(x + 0.5, y + 0.5, f"{mean:.1f}", ha="center", va="center", color=colour, gid="cell")
