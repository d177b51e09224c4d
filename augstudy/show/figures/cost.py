"""What a row's training took against what it gave."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from augstudy.show.base import Results, Row
from augstudy.show.costs import machines, seconds
from augstudy.show.figures.base import NothingToShow
from augstudy.show.looks import Look, label_height, looks, spaced
from augstudy.show.scores import scores, spread_said, told
from augstudy.show.style import despine, house, page, wrapped
from augstudy.show.table import measure

__all__ = ["Cost"]

_LABELS = 1.9  # inches


@dataclass(frozen=True)
class _Point:
    """A row at its best layer."""

    row: Row
    layer: str
    mean: float
    low: float
    high: float
    took: tuple[float, float, float]  # seconds: mean, lowest, highest of its seeds
    look: Look


@dataclass(frozen=True)
class Cost:
    """Accuracy at each row's best layer, with its 95 % t interval, against the seconds that training took.

    The horizontal bar spans the seeds. A row that trains nothing is a level line, for it has no place on the axis.

    Args:
        metric: what is drawn; `top1` is in per cent.
        probe: its name; the study's first unless told.
        width: inches.
    """

    metric: str = "top1"
    probe: str = ""
    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        table = scores(results, self.metric, self.probe)
        points = list(_points(results, table))
        if not points:
            raise NothingToShow("no run has both an accuracy and its seconds", f"Finish the study: {results.command}")
        more = f"Seconds of training a run, bars from the quickest to the slowest seed{machines(results)}."
        caption = told(results, self.metric, [table["probe"].iloc[0]], spread_said(table["n"], "bars"), more)
        needed = sum(label_height(_label(point)) for point in points)
        with house():
            figure = page(results.title, caption, self.width, max(2.6, needed + 0.6))
            ax = figure.subplots()
            for point in points:
                _draw(ax, point)
            trained = [point.took[0] for point in points if point.row.method != "random"]
            if trained and max(trained) > 20 * min(trained):
                ax.set_xscale("log")
            ax.set_xlabel("training (s)")
            ax.set_ylabel(f"{measure(self.metric)}\nat the best layer")
            despine(ax)
            _name(figure, ax, points)
        return figure


def _points(results: Results, table: pd.DataFrame) -> Iterator[_Point]:
    look = looks(results)
    for row in results.distinct_rows:
        part = table[[key == row.key for key in table["key"]]]
        took = seconds(results, row)
        if part.empty or not took:
            continue
        best = part.loc[part["mean"].idxmax()]
        spread = (float(np.mean(took)), min(took), max(took))
        yield _Point(row, best["layer"], best["mean"], best["low"], best["high"], spread, look[row.key])


def _draw(ax: Axes, point: _Point) -> None:
    colour, marker, dash = point.look
    if point.row.method == "random":
        ax.axhline(point.mean, color=colour, linestyle=dash, linewidth=1.2, label=point.row.name)
        return
    mean, few, many = point.took
    across = [[mean - few], [many - mean]]
    up = [[point.mean - point.low], [point.high - point.mean]] if np.isfinite(point.low) else None
    marker = "X" if point.row.is_reference else marker
    ax.errorbar(mean, point.mean, up, across, color=colour, marker=marker, ms=5, lw=1, capsize=2, label=point.row.name)


def _label(point: _Point) -> str:
    return wrapped(f"{point.row.name} ({point.layer})", _LABELS)


def _name(figure: Figure, ax: Axes, points: list[_Point]) -> None:
    """Write each row's name and best layer to the right, pushed apart where they would overlap."""
    right = offset_copy(ax.transAxes, figure, x=12, units="points")
    notes = []
    for point in points:
        start = (1.0, point.mean) if point.row.method == "random" else (point.took[0], point.mean)
        notes.append(
            ax.annotate(
                _label(point),
                start,
                (1, 0.5),
                xycoords=ax.get_yaxis_transform() if point.row.method == "random" else "data",
                textcoords=right,
                va="center",
                ha="left",
                annotation_clip=False,
                arrowprops={"arrowstyle": "-", "color": point.look.colour, "lw": 0.6, "ls": ":", "relpos": (0, 0.5)},
                gid="end-label",
            )
        )
    figure.draw_without_rendering()  # the layout now leaves room for the widest label; keep it and move labels in it
    figure.set_layout_engine("none")
    inches = ax.get_window_extent().height / figure.dpi
    low, high = ax.get_ylim()
    wanted = [(point.mean - low) / (high - low) * inches for point in points]
    for note, place in zip(notes, spaced(wanted, [label_height(_label(p)) for p in points], inches), strict=True):
        note.set_position((1, place / inches))
