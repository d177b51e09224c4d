"""The sweet-spot figure: accuracy against what two views share, and both against the control that changes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import stdtrit

from augstudy.show.base import Results
from augstudy.show.figures.base import NothingToShow
from augstudy.show.looks import spaced
from augstudy.show.style import GREY, INK, SMALL, despine, house, line_look, page
from augstudy.show.sweet_spot import Verdict, judge_curve
from augstudy.show.table import measure

__all__ = ["SweetSpot"]

Array = NDArray[np.float64]

_LETTER = 0.075  # inches, of a letter of a place's name


@dataclass(frozen=True)
class SweetSpot:
    """One point a place of the sweep: mean over seeds with its 95 % t interval, both ways.

    A curve is drawn only where the verdict is a reverse-U (see `judge_curve`).

    Args:
        layer: whose accuracy; the deepest if empty.
        metric: of the first probe.
        estimator, information: which estimate in nats.
        width: inches.
    """

    layer: str = ""
    metric: str = "top1"
    estimator: str = "infonce"
    information: str = "nats"
    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        axis = _axis(results)
        runs = self._runs(results, axis)
        if runs.empty:
            what = f"no run has both {self.metric} and {self.estimator}"
            raise NothingToShow(what, f"Give the study an mi section and finish it: {results.command}")
        ceiling = _ceiling(results, self.estimator)
        with house():
            labels = list(dict.fromkeys(runs["label"]))
            curves = [_Curve(runs[runs["label"] == label], *line_look(i)) for i, label in enumerate(labels)]
            figure = page(results.title, self._caption(results, curves, axis), self.width, 4.2)
            grid = figure.add_gridspec(2, 2, width_ratios=(1.15, 1))
            left = figure.add_subplot(grid[:, 0])
            upper = figure.add_subplot(grid[0, 1])
            lower = figure.add_subplot(grid[1, 1], sharex=upper)
            name = measure(self.metric)
            _against_information(left, curves, ceiling, name)
            _against_control(upper, lower, curves, ceiling, name, _words(axis), len(labels) > 1)
            lower.set_xlabel(_words(axis) + results.unit(axis))
            for label, value in self._references(results):
                for ax in (left, upper):
                    _reference(ax, label, value)
            _name_places(figure, left, curves)
        return figure

    def _layer(self, results: Results) -> str:
        return self.layer or results.layers[-1]

    def _runs(self, results: Results, axis: str) -> pd.DataFrame:
        """One line a run: label, place, seed, accuracy and nats."""
        frame, keys = results.frame, ["label", axis, "seed"]
        if frame.empty or not results.layers:
            return pd.DataFrame()
        accurate = self._accurate(results)
        shared = frame[(frame["probe"] == self.estimator) & (frame["metric"] == self.information)]
        runs = accurate[[*keys, "value"]].merge(shared[[*keys, "value"]], on=keys, suffixes=("", "_nats"))
        runs = runs.rename(columns={axis: "place", "value": "accuracy", "value_nats": "nats"}).dropna()
        return runs.drop_duplicates(["label", "place", "seed"])

    def _accurate(self, results: Results) -> pd.DataFrame:
        """The study's first probe at the layer."""
        frame = results.frame
        first = next((probe for probe in frame["probe"] if probe not in results.information), "")
        return frame[
            (frame["probe"] == first) & (frame["metric"] == self.metric) & (frame["layer"] == self._layer(results))
        ]

    def _references(self, results: Results) -> list[tuple[str, float]]:
        found = []
        accurate = self._accurate(results)
        for row in results.distinct_rows:
            values = accurate.loc[accurate["label"] == row.label, "value"]
            if row.is_reference and set(row.values) == {""} and len(values):
                found.append((row.label, float(values.mean())))
        return found

    def _caption(self, results: Results, curves: "Sequence[_Curve]", axis: str) -> str:
        few, many = min(c.seeds.min() for c in curves), max(c.seeds.max() for c in curves)
        seeds = f"n = {few}" if few == many else f"n = {few} to {many}"
        bars = "bars: 95 % t interval of the mean" if many > 1 else "one seed, so no bars"
        lines = [
            f"{measure(self.metric)} at {self._layer(results)} and {self.estimator} ({self.information}) of held-out "
            f"pairs, mean over seeds, {seeds}; {bars}. A curve is drawn only where the runs support a reverse-U."
        ]
        for curve in curves:
            who = f"{curve.label}: " if len(curves) > 1 else ""
            said = [f"Against I_NCE: {curve.on_nats.sentence('I_NCE')}."]
            if curve.on_control is not None:
                said.append(f"Against {_words(axis)}: {curve.on_control.sentence(_words(axis))}.")
            lines.append(who + " ".join(said))
        return " ".join(s for s in (*lines, results.image_sentence, results.probe_sentence) if s)


class _Curve:
    """The points of one row of the study, in the order of the sweep, with both verdicts."""

    def __init__(self, runs: pd.DataFrame, colour: str, marker: str) -> None:
        self.label, self.colour, self.marker = str(runs["label"].iloc[0]), colour, marker
        groups = runs.groupby("place", sort=False)
        self.places: list[Any] = list(groups.groups)
        self.seeds = groups.size().to_numpy()
        self.accuracy, self.accuracy_bar = _mean_and_bar(groups["accuracy"])
        self.nats, self.nats_bar = _mean_and_bar(groups["nats"])
        point = groups.ngroup().to_numpy()
        accuracy = runs["accuracy"].to_numpy(dtype=float)
        self.on_nats = judge_curve(runs["nats"].to_numpy(dtype=float), accuracy, point)
        self.numeric = all(isinstance(p, int | float) for p in self.places)
        self.on_control: Verdict | None = None
        if self.numeric:
            self.on_control = judge_curve(runs["place"].to_numpy(dtype=float), accuracy, point)

    @property
    def x(self) -> Array:
        """Where on the control axis the points stand; names stand side by side."""
        return np.array(self.places, dtype=float) if self.numeric else np.arange(len(self.places), dtype=float)


def _mean_and_bar(groups: Any) -> tuple[Array, Array]:
    """Means, and half widths of their 95 % t intervals, NaN for one seed."""
    mean, sd, n = (getattr(groups, name)().to_numpy(dtype=float) for name in ("mean", "std", "count"))
    half = np.full(len(mean), np.nan)
    several = n > 1
    half[several] = stdtrit(n[several] - 1, 0.975) * sd[several] / np.sqrt(n[several])
    return mean, half


def _place(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _axis(results: Results) -> str:
    if len(results.axes) != 1:
        what = f"the study sweeps {len(results.axes)} settings, and a sweet spot lies along one"
        raise NothingToShow(what, "Sweep the control of a view family, such as view.strength.")
    return results.axes[0]


def _words(axis: str) -> str:
    return axis.rsplit(".", 1)[-1].replace("_", " ")


def _ceiling(results: Results, estimator: str) -> float | None:
    frame = results.frame
    values = frame.loc[(frame["probe"] == estimator) & (frame["metric"] == "ceiling"), "value"]
    return float(values.iloc[0]) if len(values) else None


def _dots(ax: Axes, curve: _Curve, x: Array, y: Array, x_bar: Array | None, y_bar: Array, line: bool) -> None:
    ax.errorbar(
        x,
        y,
        xerr=None if x_bar is None or np.isnan(x_bar).all() else x_bar,
        yerr=None if np.isnan(y_bar).all() else y_bar,
        fmt=curve.marker,
        color=curve.colour,
        linestyle="-" if line else "none",
        linewidth=0.9,
        markersize=4.5,
        elinewidth=0.9,
        capsize=2,
        label=curve.label,
    )


def _hill(ax: Axes, verdict: Verdict | None, x: Array, colour: str) -> None:
    """The fitted curve and the interval of its peak, of a reverse-U; otherwise nothing."""
    if verdict is None or verdict.kind != "reverse-U" or verdict.curve is None:
        return
    places = np.linspace(x.min(), x.max(), 200)
    ax.plot(places, verdict.curve(places), color=colour, linewidth=1.2, alpha=0.7, gid="fit")
    ax.axvspan(verdict.low or 0.0, verdict.high or 0.0, color=colour, alpha=0.12, linewidth=0, gid="peak")


def _against_information(ax: Axes, curves: Sequence[_Curve], ceiling: float | None, name: str) -> None:
    for curve in curves:
        _dots(ax, curve, curve.nats, curve.accuracy, curve.nats_bar, curve.accuracy_bar, line=False)
        _hill(ax, curve.on_nats, curve.nats, curve.colour)
    if ceiling is not None:
        _log_k(ax, ceiling, upright=True)
    ax.set_xlabel("I_NCE of the two views (nats)")
    ax.set_ylabel(name)
    ax.set_title(f"against I_NCE: {_short(curves, 'on_nats')}", loc="left")
    ax.margins(0.08)
    despine(ax)


def _name_places(figure: Figure, ax: Axes, curves: Sequence[_Curve]) -> None:
    """Write the places in a line along the top, each with a thread to its mark, so that close ones are told apart."""
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.12 * (high - low))
    figure.draw_without_rendering()  # the layout is done; what is written now is within the panel
    figure.set_layout_engine("none")
    inches, (left, right) = ax.get_window_extent().width / figure.dpi, ax.get_xlim()
    marks = [(_place(p), x, y, c) for c in curves for p, x, y in zip(c.places, c.nats, c.accuracy, strict=True)]
    wanted = [(x - left) / (right - left) * inches for _, x, _, _ in marks]
    where = spaced(wanted, [_LETTER * len(word) + 0.1 for word, *_ in marks], inches)
    for (word, x, y, curve), at in zip(marks, where, strict=True):
        thread = {"arrowstyle": "-", "color": curve.colour, "linewidth": 0.5, "alpha": 0.6, "shrinkA": 0, "shrinkB": 3}
        ax.annotate(
            word,
            (x, y),
            (at / inches, 0.985),
            textcoords="axes fraction",
            ha="center",
            va="top",
            size=SMALL,
            color=INK,
            arrowprops=thread | {"relpos": (0.5, 0)},
            gid="place",
        )


def _against_control(
    upper: Axes, lower: Axes, curves: Sequence[_Curve], ceiling: float | None, name: str, axis: str, several: bool
) -> None:
    for curve in curves:
        _dots(upper, curve, curve.x, curve.accuracy, None, curve.accuracy_bar, line=False)
        _hill(upper, curve.on_control, curve.x, curve.colour)
        _dots(lower, curve, curve.x, curve.nats, None, curve.nats_bar, line=curve.numeric)
    if ceiling is not None:
        _log_k(lower, ceiling, upright=False)
    if several:
        upper.legend(frameon=False, fontsize=SMALL)
    upper.set_ylabel(name)
    upper.set_title(f"against {axis}: {_short(curves, 'on_control')}", loc="left")
    upper.tick_params(labelbottom=False)
    lower.set_ylabel("I_NCE (nats)")
    if not curves[0].numeric:
        lower.set_xticks(curves[0].x, [str(p) for p in curves[0].places])
    for ax in (upper, lower):
        ax.margins(0.08)
        despine(ax)


def _short(curves: Sequence[_Curve], which: str) -> str:
    kinds = [verdict.kind for curve in curves if (verdict := getattr(curve, which)) is not None]
    return ", ".join(dict.fromkeys(kinds)) or "no order"


def _log_k(ax: Axes, ceiling: float, upright: bool) -> None:
    """The line that I_NCE never crosses."""
    (ax.axvline if upright else ax.axhline)(ceiling, color=INK, linewidth=0.9, linestyle="--", gid="log K")
    at = (ceiling, 0.98) if upright else (0.99, ceiling)
    ax.annotate(
        f"log K = {ceiling:.2f}",
        at,
        (-3, 0) if upright else (0, -3),
        xycoords=("data", "axes fraction") if upright else ("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        va="top",
        rotation=90 if upright else 0,
        color=INK,
        gid="log K",
    )


def _reference(ax: Axes, label: str, value: float) -> None:
    ax.axhline(value, color=GREY, linewidth=0.9, linestyle=":", gid="reference")
    ax.annotate(
        label, (0.01, value), (0, 2), xycoords=("axes fraction", "data"), textcoords="offset points", color=GREY
    )
