"""Do the probes of a study put its rows in one order?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from augstudy.show.base import Results
from augstudy.show.figures.base import NothingToShow
from augstudy.show.scores import scores, told
from augstudy.show.style import despine, house, line_look, page
from augstudy.show.table import measure

__all__ = ["ProbeAgreement", "agreement"]

_ACROSS = 3  # panels side by side
_LEAST = 3  # rows, below which an order says nothing
_SIDE = 2.6  # inches, height of a panel
_LINE = 0.085  # share of a panel's height that a line of its legend takes


@dataclass(frozen=True)
class ProbeAgreement:
    """A panel for each other probe: its number against the first one's, a point a row and layer, means over seeds.

    Spearman's rank correlation over the rows stands beside each layer: 1 where both probes put them in one order.

    Args:
        metric: what is compared; `top1` is in per cent.
        probe: what the others are compared with; the study's first unless told.
        width: inches.
    """

    metric: str = "top1"
    probe: str = ""
    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        table = agreement(results, self.metric, self.probe)
        if table.empty:
            what = f"there are no two probes with {self.metric} of {_LEAST} rows"
            raise NothingToShow(what, "Name two or more in the study's probes, such as [linear, linear_paper].")
        first, others = table["first"].iloc[0], list(dict.fromkeys(table["probe"]))
        rows = table.groupby(["probe", "layer"]).size().min()
        more = f"A point is a row ({rows} rows); beside a layer: Spearman's rank correlation of the two over the rows."
        across = min(_ACROSS, len(others))
        down = -(-len(others) // across)
        with house():
            caption = told(results, self.metric, [first, *others], "means over seeds", more)
            figure = page(results.title, caption, self.width, down * _SIDE)
            axes = list(figure.subplots(down, across, squeeze=False, sharex=True).flat)
            for ax, probe in zip(axes, others, strict=False):
                _draw(ax, table[table["probe"] == probe], results.layers)
                ax.set_title(results.shown(probe), loc="left")
                ax.set_xlabel(f"{results.shown(first)}: {measure(self.metric)}")
            axes[0].set_ylabel(f"the other probe: {measure(self.metric)}")
            for ax in axes[len(others) :]:
                ax.set_axis_off()
        return figure


def agreement(results: Results, metric: str = "top1", probe: str = "") -> pd.DataFrame:
    """Means over seeds by the first probe and by each of the others, with the rank correlation of the two.

    Returns:
        one line a row, layer and other probe: columns first, probe, layer, x (the first's), y, rho (Spearman's, of all
        rows of that probe and layer; NaN where one of the two is level). Empty without two probes of three rows.
    """
    one = scores(results, metric, probe)
    if one.empty:
        return pd.DataFrame()
    first = one["probe"].iloc[0]
    named = dict.fromkeys(results.frame.loc[results.frame["metric"] == metric, "probe"])
    found = []
    for other in (name for name in named if name != first):
        both = one.merge(scores(results, metric, other)[["key", "layer", "mean"]], on=["key", "layer"])
        for layer, part in both.groupby("layer", sort=False):
            if len(part) >= _LEAST:
                x, y = part["mean_x"], part["mean_y"]
                level = x.nunique() == 1 or y.nunique() == 1
                rho = np.nan if level else x.rank().corr(y.rank())
                found.append(pd.DataFrame({"first": first, "probe": other, "layer": layer, "x": x, "y": y, "rho": rho}))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def _draw(ax: Axes, table: pd.DataFrame, layers: list[str]) -> None:
    for layer, part in table.groupby("layer", sort=False):
        colour, marker = line_look(layers.index(layer))
        rho = part["rho"].iloc[0]
        label = f"{layer}: {rho:.2f}" if np.isfinite(rho) else f"{layer}: level"
        ax.plot(part["x"], part["y"], marker, color=colour, ms=4, ls="", label=label)
    low, high = (float(edge(table[["x", "y"]].to_numpy())) for edge in (np.min, np.max))
    ax.plot([low, high], [low, high], color="0.8", lw=0.8, zorder=0, gid="equal")
    room = min(0.6, _LINE * table["layer"].nunique())  # for the legend, above the points
    ax.set_ylim(top=low + (high - low) / (1 - room))
    ax.legend(loc="upper left", frameon=False, handletextpad=0.1, borderpad=0, labelspacing=0.25)
    despine(ax)
