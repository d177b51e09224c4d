"""Training curves small enough to stand in a table: one line a seed, as SVG that takes the page's colours."""

import pandas as pd

from augstudy.show.base import Results
from augstudy.show.curves import LOSS, curves, units

__all__ = ["trainings"]

_WIDE, _HIGH, _PAD = 150, 34, 3  # CSS pixels


def trainings(results: Results) -> list[dict[str, object]]:
    """For each row that trains: its name and, for each of its metrics, lines for the seeds, last values and chance."""
    table, unit = curves(results), units(results)
    return [
        {
            "row": name,
            "epochs": int(part["epoch"].max()),
            "seeds": sorted({int(seed) for seed in part["seed"]}),
            "metrics": [
                _told(metric, same, "" if metric == LOSS else unit.get(metric, ""))
                for metric, same in part.groupby("metric", sort=False)
            ],
        }
        for name, part in table.groupby("row", sort=False)
    ]


def _told(metric: str, part: pd.DataFrame, unit: str) -> dict[str, object]:
    ends = part.groupby("seed")["value"].last()
    chance = part["chance"].dropna()
    listed = ", ".join(f"{value:.3g}" for value in ends)
    first = part.groupby("seed")["value"].first().mean()
    return {
        "metric": metric,
        "unit": unit,
        "lines": _lines(part),
        "ends": listed,
        "chance": f"{chance.iloc[-1]:.3g}" if len(chance) else "",
        "alt": f"{metric}, from {first:.3g} in the first epoch to {listed} in the last",
    }


def _lines(part: pd.DataFrame) -> list[str]:
    """`points` of an SVG polyline for each seed, all in one frame."""
    finite = part[part["value"].abs() < float("inf")]
    if finite.empty:
        return []
    low, high = finite["value"].min(), finite["value"].max()
    first, last = finite["epoch"].min(), finite["epoch"].max()
    lines = []
    for _, seed in finite.groupby("seed"):
        x = _PAD + (_WIDE - 2 * _PAD) * (seed["epoch"] - first) / max(last - first, 1)
        y = _HIGH - _PAD - (_HIGH - 2 * _PAD) * (seed["value"] - low) / (high - low or 1)
        points = [f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)]
        lines.append(" ".join(points if len(points) > 1 else [points[0], f"{_PAD + 2},{points[0].partition(',')[2]}"]))
    return lines
