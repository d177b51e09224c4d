"""Accuracy against the share of labels, one line a row: the data-efficiency curve."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from augstudy.show.base import REFERENCES, Results
from augstudy.show.figures.base import NothingToShow
from augstudy.show.style import GREY, INK, despine, house, line_look, page
from augstudy.show.table import summary

__all__ = ["LowLabel"]

_PREFIX = "top1@"
_LOOKS = {"random": (GREY, ":"), "supervised": (INK, "--")}


@dataclass(frozen=True)
class LowLabel:
    """Top-1 at each row's best layer with all labels, mean over seeds, bands where there are several.

    Args:
        layer: the layer to draw for every row; "" takes each row's best.
        width: inches.
    """

    layer: str = ""
    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        table = summary(results.frame)
        table = table[table["metric"].str.match(f"{_PREFIX}.*%$") & table["mean"].notna()]
        if table.empty:
            raise NothingToShow("no run has a low_label value", f"Add low_label to probes: {results.command}")
        table = table.assign(percent=table["metric"].str.extract(r"@([\d.]+)%", expand=False).astype(float))
        with house():
            figure = page(results.title, _caption(results, table, self.layer), self.width, 3.6)
            ax = figure.subplots()
            curves = list(_curves(results, table, self.layer))
            for number, (name, method, curve) in enumerate(curves):
                _draw(ax, name, method, curve, number)
            _finish(ax, sorted(table["percent"].unique()), results)
            _label(figure, ax, [(name, method, curve) for name, method, curve in curves])
        return figure


def _curves(results: Results, table: pd.DataFrame, layer: str) -> list[tuple[str, str, pd.DataFrame]]:
    """(row and layer, method, its line sorted by percent) of every row that was measured."""
    found = []
    for row in results.distinct_rows:
        mine = table
        for column, value in zip(("label", *results.axes), row.key, strict=True):
            mine = mine[mine[column] == value]
        if mine.empty:
            continue
        most = mine[mine["percent"] == mine["percent"].max()]
        chosen = layer or str(most.loc[most["mean"].idxmax(), "layer"])
        mine = mine[mine["layer"] == chosen].sort_values("percent")
        if not mine.empty:
            found.append((f"{row.name}, {chosen}", row.method, mine))
    return found


def _look(method: str, number: int) -> tuple[str, str, str]:
    """(colour, dash, marker)."""
    colour, marker = line_look(number)
    return (*_LOOKS[method], "") if method in REFERENCES else (colour, "-", marker)


def _draw(ax: Axes, name: str, method: str, curve: pd.DataFrame, number: int) -> None:
    colour, dash, marker = _look(method, number)
    x, mean = curve["percent"].to_numpy(), curve["mean"].to_numpy()
    ax.plot(x, mean, color=colour, linestyle=dash, marker=marker, markersize=4, linewidth=1.4, label=name)
    low, high = curve["low"].to_numpy(), curve["high"].to_numpy()
    if np.isfinite(low).any():
        ax.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)


def _finish(ax: Axes, percents: list[float], results: Results) -> None:
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(percents))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(percents, [f"{p:g}" for p in percents])
    ax.set_xlabel("labels that the classifier sees (%, logarithmic)")
    ax.set_ylabel("top-1 accuracy (%)")
    if results.classes:
        ax.axhline(100 / results.classes, color=GREY, linewidth=0.8, linestyle=(0, (1, 3)), gid="chance")
        ax.annotate(
            f"chance {100 / results.classes:.1f} %",
            (percents[0], 100 / results.classes),
            (2, 3),
            textcoords="offset points",
            color=GREY,
            gid="chance",
        )
    despine(ax)


def _label(figure: Figure, ax: Axes, curves: list[tuple[str, str, pd.DataFrame]]) -> None:
    """Each row's name beside the end of its line, in its colour, pushed apart where names would overlap."""
    ends = sorted(((float(c["mean"].iloc[-1]), i) for i, (_, _, c) in enumerate(curves)), key=lambda e: e[0])
    low, high = ax.get_ylim()
    gap, places, below = 0.055 * (high - low), {}, -np.inf
    for value, i in ends:
        below = places[i] = max(value, below + gap)
    over = max(places.values()) - high
    for i, (name, method, curve) in enumerate(curves):
        end = (float(curve["percent"].iloc[-1]), float(curve["mean"].iloc[-1]))
        ax.annotate(
            name,
            end,
            (1.03, (places[i] - max(0.0, over) - low) / (high - low)),
            textcoords="axes fraction",
            color=_look(method, i)[0],
            va="center",
            annotation_clip=False,
            gid="end-label",
        )


def _caption(results: Results, table: pd.DataFrame, layer: str) -> str:
    n = int(table["n"].max())
    where = f"layer {layer}" if layer else "each row at its best layer with all labels, named beside it"
    seeds = f"mean over {n} seeds, bands: 95 % t interval" if n > 1 else "one seed, so no bands"
    measured = results.frame[results.frame["metric"].isin(table["metric"])]
    protocol = str(measured["protocol"].iloc[0]) or "of its own"
    text = f"Top-1 of linear classifiers ({protocol}) on a share of the labels, mean of draws; {where}; {seeds}."
    return " ".join(line for line in (text, results.image_sentence, results.probe_sentence) if line)
