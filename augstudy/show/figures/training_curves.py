"""What each training told of itself, epoch by epoch: its loss, its diagnostics, and monitors where there are any."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from augstudy.show.base import Results
from augstudy.show.curves import LOSS, curves, units
from augstudy.show.figures.base import NothingToShow
from augstudy.show.looks import looks
from augstudy.show.panels import curve, panels
from augstudy.show.style import house

__all__ = ["TrainingCurves"]


@dataclass(frozen=True)
class TrainingCurves:
    """A panel a metric: mean over seeds, the lowest to the highest seed as a band, chance dotted in the row's colour.

    A metric that is 0 in every epoch of every run, such as a flag that was never raised, has no panel; the caption
    names it.

    Args:
        width: inches.
    """

    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        table = curves(results)
        if table.empty:
            raise NothingToShow("no run has a training curve", f"Run a row that trains here: {results.command}")
        zero = [metric for metric, values in table.groupby("metric", sort=False)["value"] if (values == 0).all()]
        metrics = [metric for metric in dict.fromkeys(table["metric"]) if metric not in zero] or zero
        trained = set(table["row"])
        key = {row.name: looks(results)[row.key] for row in results.distinct_rows if row.name in trained}
        unit = units(results)
        with house():
            figure, axes = panels(results.title, _caption(results, table, zero), key, metrics, self.width)
            for ax, metric in zip(axes, metrics, strict=True):
                for name, part in table[table["metric"] == metric].groupby("row", sort=False):
                    over_seeds = _over_seeds(part)
                    curve(ax, list(over_seeds.index), over_seeds, key[name], name)
                    if over_seeds["chance"].notna().any():
                        ax.plot(
                            over_seeds.index, over_seeds["chance"], ":", color=key[name].colour, lw=0.8, label="_chance"
                        )
                ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
                ax.set_xlabel("epoch")
                ax.set_ylabel("the method's own loss" if metric == LOSS else unit.get(metric) or "no unit")
        return figure


def _over_seeds(part: pd.DataFrame) -> pd.DataFrame:
    """Index epoch; columns mean, low, high (of the seeds; NaN for one), chance (its mean)."""
    groups = part.groupby("epoch")
    found = groups["value"].agg(["mean", "min", "max", "count"]).rename(columns={"min": "low", "max": "high"})
    found.loc[found["count"] < 2, ["low", "high"]] = float("nan")
    return found.assign(chance=groups["chance"].mean())


def _caption(results: Results, table: pd.DataFrame, zero: list[str]) -> str:
    n = table.groupby("row")["seed"].nunique()
    few, many = int(n.min()), int(n.max())
    seeds = f"n = {many}" if few == many else f"n = {few} to {many}"
    text = f"Training curves: mean over seeds, {seeds}; " + (
        "bands: lowest to highest seed. " if many > 1 else "one seed, so no bands. "
    )
    text += "Diagnostics are of crops that are never trained on; dotted: what a network that learnt nothing would get."
    told = f"0 throughout: {', '.join(zero)}." if zero else ""
    return " ".join(s for s in (text, told, results.image_sentence) if s)
