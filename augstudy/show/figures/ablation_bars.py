"""How far each row lies from a baseline, a panel of bars a layer."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from augstudy.show.base import Results, Row
from augstudy.show.figures.base import NothingToShow
from augstudy.show.scores import differences, scores, spread_said, told
from augstudy.show.style import GREY, INK, LINE, SMALL, despine, house, line_look, page, wrapped

__all__ = ["AblationBars"]

_ACROSS = 4  # panels side by side
_NAMES = 1.9  # inches for the rows' names


@dataclass(frozen=True)
class AblationBars:
    """The difference to a baseline at each layer, paired by seed, with its 95 % t interval; rows in the study's order.

    The baseline is the row `random`, or else the study's first. Its own accuracy stands above each panel.

    Args:
        metric: what is compared; `top1` in points of a per cent.
        baseline: label of the row to compare with.
        probe: its name; the study's first unless told.
        width: inches.
    """

    metric: str = "top1"
    baseline: str = ""
    probe: str = ""
    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        table = scores(results, self.metric, self.probe)
        there = set(table["key"])
        rows = [row for row in results.distinct_rows if row.key in there]
        if len(rows) < 2:
            raise NothingToShow("there are no two rows to compare", f"Finish the study first: {results.command}")
        base = self._base(rows)
        probe = table["probe"].iloc[0]
        others = [(row, differences(results, row, base, self.metric, probe)) for row in rows if row is not base]
        layers = [layer for layer in results.layers if layer in set(table["layer"])]
        own = table[[key == base.key for key in table["key"]]].set_index("layer")["mean"]
        n = pd.concat([found["n"] for _, found in others])
        if n.empty:
            raise NothingToShow(f"no row has a seed in common with {base.name}", "Finish the study first.")
        more = f"Differences to {base.name} in points, paired by seed; its own accuracy stands above each panel."
        with house():
            caption = told(results, self.metric, [probe], spread_said(n, "bars"), more)
            figure, axes = _page(results.title, caption, self.width, [row for row, _ in others], len(layers))
            for place, (ax, layer) in enumerate(zip(axes, layers, strict=True)):
                _draw(ax, [(row, found.loc[layer] if layer in found.index else None) for row, found in others])
                ax.set_title(f"{layer}: {own[layer]:.1f} %" if layer in own else layer, loc="left")
                ax.set_xlabel("difference (points)")
                ax.tick_params(labelbottom=True)  # a shared axis leaves them to the lowest panels
                if place % _ACROSS:
                    ax.tick_params(labelleft=False)
        return figure

    def _base(self, rows: list[Row]) -> Row:
        if self.baseline:
            found = [row for row in rows if self.baseline in (row.label, row.name)]
            if not found:
                fix = f"Take one of: {', '.join(row.name for row in rows)}"
                raise NothingToShow(f"no row {self.baseline!r} to compare with", fix)
            return found[0]
        return next((row for row in rows if row.method == "random"), rows[0])


def _page(title: str, caption: str, width: float, rows: list[Row], count: int) -> tuple[Figure, list[Axes]]:
    """A page with a panel a layer; the names of the rows stand left of the first of each line of panels."""
    across = min(_ACROSS, count)
    down = math.ceil(count / across)
    names = [wrapped(row.name, _NAMES) for row in rows]
    high = sum((name.count("\n") + 1) * SMALL * LINE + 0.09 for name in names) + 0.75
    figure = page(title, caption, width, down * high)
    axes = list(figure.subplots(down, across, squeeze=False, sharex=True).flat)
    for ax in axes[count:]:
        ax.set_axis_off()
    for ax in axes[:count]:
        ax.set_yticks(range(len(rows)), names)
        ax.set_ylim(len(rows) - 0.4, -0.6)  # the first row on top
        ax.axvline(0, color=INK, linewidth=0.8, gid="baseline")
        despine(ax)
    return figure, axes[:count]


def _draw(ax: Axes, rows: list[tuple[Row, pd.Series | None]]) -> None:
    """A bar for each row that was measured at this layer, at the row's place."""
    found = [(place, row, values) for place, (row, values) in enumerate(rows) if values is not None]
    places = [place for place, _, _ in found]
    mean, low, high = (np.array([values[name] for *_, values in found]) for name in ("mean", "low", "high"))
    colours = [GREY if row.is_reference else line_look(0)[0] for _, row, _ in found]
    ax.barh(places, mean, height=0.62, color=colours)
    if np.isfinite(low).any():
        ax.errorbar(mean, places, xerr=[mean - low, high - mean], fmt="none", ecolor=INK, elinewidth=1, capsize=2)
