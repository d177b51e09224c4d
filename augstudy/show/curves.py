"""Training curves of all runs of a study, read from their metrics.csv into one tidy DataFrame."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from augstudy.core.errors import UserError
from augstudy.show.base import Results

__all__ = ["LOSS", "curves", "units"]

LOSS = "loss"
CHANCE = " (chance)"  # a column of this ending says what a network that learnt nothing would get
_NOT_CURVES = ("epoch", "step", "lr", "seconds")
_COLUMNS = ["row", "method", "seed", "hash", "epoch", "metric", "value", "chance"]


def curves(results: Results) -> pd.DataFrame:
    """One value a line: columns row (its name), method, seed, hash, epoch, metric, value, chance (NaN without).

    Values that an epoch does not have, such as those of a monitor that looks every few epochs, have no line.
    """
    lines = [
        (row.name, row.method, run["seed"], run["hash"], *point)
        for row in results.distinct_rows
        for run in row.runs
        for point in _points(results, run)
    ]
    return pd.DataFrame(lines, columns=_COLUMNS)


def units(results: Results) -> dict[str, str]:
    """Metric -> its unit, "" for a pure number, as the records say; the loss and monitors are not in them."""
    entries = (entry for record in results.records.values() for entry in record.get("pretext") or [])
    return {entry["metric"]: entry.get("unit") or "" for entry in entries}


def _points(results: Results, run: dict[str, Any]) -> Iterator[tuple[float, str, float, float]]:
    """(epoch, metric, value, chance) of a run; none where its curve is not kept."""
    path = results.folder.run(run["hash"]).metrics
    if not path.exists():
        return
    try:
        table = pd.read_csv(path)
    except ValueError as error:  # pandas' own errors are among them
        raise UserError(f"{path} is not readable ({error})", "Delete its run folder and run the study again.") from None
    epochs = table["epoch"] if "epoch" in table else pd.Series(range(1, len(table) + 1))
    for metric in table.columns:
        if metric in _NOT_CURVES or metric.endswith(CHANCE):
            continue
        chance = table.get(metric + CHANCE, pd.Series(float("nan"), index=table.index))
        there = table[metric].notna()
        yield from (
            (float(epoch), metric, float(value), float(level))
            for epoch, value, level in zip(epochs[there], table.loc[there, metric], chance[there], strict=True)
        )
