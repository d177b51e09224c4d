"""Accuracy against layer, one line a row: the linear-probe figure."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import offset_copy

from augstudy.show.base import Results, Row
from augstudy.show.figures.base import NothingToShow
from augstudy.show.looks import label_height, looks, spaced
from augstudy.show.scores import spread_said, told
from augstudy.show.style import GREY, despine, house, page, wrapped
from augstudy.show.table import measure, summary

__all__ = ["LayerCurves"]

_LABEL_WIDTH = 1.9  # inches; longer labels are broken into lines


@dataclass(frozen=True)
class _Curve:
    """One row's line over all layers, NaN where it was not measured; per cent."""

    row: Row
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    colour: str
    marker: str
    dash: str

    @property
    def end(self) -> tuple[float, float]:
        """The deepest point that was measured."""
        last = int(np.flatnonzero(np.isfinite(self.mean))[-1])
        return float(last), float(self.mean[last])


@dataclass(frozen=True)
class LayerCurves:
    """Mean over seeds with its 95 % t interval as a band, one panel a probe, labels at the ends of the lines.

    `random` and `supervised` rows are references (grey dotted, black dashed). One seed has no band.

    Args:
        metric: the metric to draw; `top1` is in per cent and has its chance level marked.
        width: inches.
    """

    metric: str = "top1"
    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        table = summary(results.frame)
        table = table[(table["metric"] == self.metric) & table["mean"].notna()]
        if table.empty:
            raise NothingToShow(f"no run has a {self.metric} value", f"Finish the study first: {results.command}")
        layers = [layer for layer in results.layers if layer in set(table["layer"])]
        probes = list(dict.fromkeys(table["probe"]))
        panels = [list(_curves(results, table[table["probe"] == probe], layers)) for probe in probes]
        needed = max(sum(label_height(_label(curve)) for curve in curves) for curves in panels)
        with house():
            caption = told(results, self.metric, probes, spread_said(table["n"], "bands"))
            figure = page(results.title, caption, self.width, len(panels) * max(2.8, needed + 0.7))
            axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
            for ax, probe, curves in zip(axes, probes, panels, strict=True):
                _draw_panel(
                    ax, curves, layers, self.metric, title=f"{results.shown(probe)} probe" if len(probes) > 1 else ""
                )
                if self.metric == "top1" and results.classes:
                    _mark_chance(ax, 100 / results.classes)
            _label_ends(figure, list(zip(axes, panels, strict=True)))
        return figure


def _curves(results: Results, table: pd.DataFrame, layers: list[str]) -> Iterator[_Curve]:
    keys = pd.Series(list(table[["label", *results.axes]].itertuples(index=False, name=None)), index=table.index)
    seen = looks(results)
    for row in results.distinct_rows:
        values = table[[key == row.key for key in keys]].set_index("layer").reindex(layers)
        if values.empty or values["mean"].isna().all():
            continue
        mean, low, high = (values[name].to_numpy(dtype=float) for name in ("mean", "low", "high"))
        yield _Curve(row, mean, low, high, *seen[row.key])


def _draw_panel(ax: Axes, curves: list[_Curve], layers: list[str], metric: str, title: str) -> None:
    depth = np.arange(len(layers))
    for curve in curves:
        ax.plot(
            depth,
            curve.mean,
            color=curve.colour,
            linestyle=curve.dash,
            marker=curve.marker,
            markersize=4,
            linewidth=1.4,
            label=curve.row.name,
        )
        if np.isfinite(curve.low).any():
            ax.fill_between(depth, curve.low, curve.high, color=curve.colour, alpha=0.15, linewidth=0)
    crowded = sum(map(len, layers)) > 45
    ax.set_xticks(depth, layers, rotation=45 if crowded else 0, ha="right" if crowded else "center")
    ax.set_xlim(-0.15, len(layers) - 0.85)
    ax.set_xlabel("layer, in order of depth")
    ax.set_ylabel(measure(metric))
    ax.set_title(title, loc="left")
    if metric.startswith("top"):  # the band of two seeds may be wider than the scale
        low, high = ax.get_ylim()
        ax.set_ylim(max(low, -2), min(high, 102))
    despine(ax)


def _mark_chance(ax: Axes, chance: float) -> None:
    """A line at chance, or a note when showing it would squeeze the curves into the top of the panel."""
    low, high = ax.get_ylim()
    if low - chance > 0.5 * (high - low):
        low -= 0.07 * (high - low)  # room for the note
        ax.set_ylim(low, high)
        text, y, lift = f"chance {chance:.1f} % (below this axis)", low, 3
    else:
        ax.axhline(chance, color=GREY, linewidth=0.8, linestyle=(0, (1, 3)), gid="chance")
        ax.set_ylim(min(low, chance - 0.09 * (high - chance)), high)
        text, y, lift = f"chance {chance:.1f} %", chance, -9
    x = ax.get_xlim()[0]
    ax.annotate(text, (x, y), (4, lift), textcoords="offset points", color=GREY, gid="chance")


def _label(curve: _Curve) -> str:
    return wrapped(curve.row.name, _LABEL_WIDTH)


def _label_ends(figure: Figure, panels: list[tuple[Axes, list[_Curve]]]) -> None:
    """Write each row's name to the right of its line, pushed apart where they would overlap."""
    notes = [(ax, curve, _note(ax, curve)) for ax, curves in panels for curve in curves]
    figure.draw_without_rendering()  # the layout now leaves room for the widest label; keep it and move labels in it
    figure.set_layout_engine("none")
    for ax, curves in panels:
        mine = [(curve, note) for owner, curve, note in notes if owner is ax]
        inches = ax.get_window_extent().height / figure.dpi
        low, high = ax.get_ylim()
        wanted = [(curve.end[1] - low) / (high - low) * inches for curve in curves]
        for (_, note), place in zip(
            mine, spaced(wanted, [label_height(_label(c)) for c in curves], inches), strict=True
        ):
            note.set_position((1, place / inches))


def _note(ax: Axes, curve: _Curve) -> Annotation:
    stops_early = curve.end[0] < len(curve.mean) - 1  # then its leader crosses the panel and must not look like data
    leader = {
        "arrowstyle": "-",
        "linestyle": ":" if stops_early else "-",
        "color": curve.colour,
        "linewidth": 0.7,
        "shrinkA": 1,
        "shrinkB": 3,
        "relpos": (0, 0.5),
    }
    return ax.annotate(
        _label(curve),
        curve.end,
        (1, 0.5),
        textcoords=offset_copy(ax.transAxes, ax.get_figure(root=True), x=12, units="points"),
        va="center",
        ha="left",
        arrowprops=leader,
        annotation_clip=False,
        gid="end-label",
    )
