"""What figures of accuracy share: the values of one probe, differences to a baseline, and how a caption tells of n."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from augstudy.show.base import Results, Row
from augstudy.show.table import measure, summary
from augstudy.show.verdicts import interval

__all__ = ["differences", "scores", "spread_said", "told"]


def scores(results: Results, metric: str, probe: str = "") -> pd.DataFrame:
    """Mean and 95 % interval over seeds (see `table.summary`) of one metric by one probe, with the row each is of.

    Args:
        probe: name as in the table; the first of the study that has the metric unless told.

    Returns:
        the summary's columns, and key (of the `Row`); no line for a mean that is not finite. Empty if nothing is there.
    """
    table = summary(results.frame)
    table = table[(table["metric"] == metric) & np.isfinite(table["mean"])]
    table = table[table["probe"] == (probe or (table["probe"].iloc[0] if len(table) else ""))]
    keys = list(table[["label", *results.axes]].itertuples(index=False, name=None))
    return table.assign(key=pd.Series(keys, index=table.index, dtype=object))


def differences(results: Results, row: Row, baseline: Row, metric: str, probe: str) -> pd.DataFrame:
    """How far a row lies from a baseline at each layer, in points, each difference paired by seed.

    Returns:
        Index layer; columns mean, low and high (95 % t interval, NaN for one seed), n.
    """
    first, second = (_by_seed(results, r, metric, probe) for r in (row, baseline))
    apart = (first - second).dropna()
    found = {layer: values.to_numpy() for layer, values in apart.groupby(level="layer", sort=False)}
    lines = {layer: (v.mean(), *interval(v), len(v)) for layer, v in found.items()}
    return pd.DataFrame.from_dict(lines, orient="index", columns=["mean", "low", "high", "n"])


def _by_seed(results: Results, row: Row, metric: str, probe: str) -> pd.Series:
    frame = results.frame
    wanted = {"metric": metric, "probe": probe, "label": row.label, **dict(zip(results.axes, row.values, strict=True))}
    chosen = np.logical_and.reduce([(frame[column] == value).to_numpy(dtype=bool) for column, value in wanted.items()])
    return frame[chosen].set_index(["layer", "seed"])["value"]


def spread_said(n: pd.Series, mark: str) -> str:
    """What a point and its `mark` ("bands", "bars") stand for, such as "mean over seeds, n = 3; bands: 95 % ..."."""
    few, many = int(n.min()), int(n.max())
    if many == 1:
        return f"n = 1; one seed, so no {mark}"
    seeds = f"n = {many}" if few == many else f"n = {few} to {many}"
    return f"mean over seeds, {seeds}; {mark}: 95 % t interval of the mean"


def told(results: Results, metric: str, probes: Sequence[str], spread: str, more: str = "") -> str:
    """A caption: what was measured by which probes, how it spreads, what else there is to say, and on which images."""
    name = measure(metric)
    by = " and ".join(results.shown(probe) for probe in probes)
    what = f"{name[:1].upper()}{name[1:]} of {by} probe{'s' * (len(probes) > 1)} on frozen layers; {spread}."
    return " ".join(s for s in (what, more, results.image_sentence, results.probe_sentence) if s)
