"""Claims judged on the seeds of a study: each holds, is not shown, or is contradicted."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from augstudy.show.base import Results, Row
from augstudy.show.claims import WORDS, Claim, Point, Side, pairs, read

__all__ = ["CONTRADICTED", "HOLDS", "NOT_SHOWN", "interval", "judge"]

HOLDS, NOT_SHOWN, CONTRADICTED = "holds", "not shown", "contradicted"

_COLUMNS = ["claim", "verdict", "difference", "low", "high", "n", "bound", "metric", "side", "than", "reason"]


@lru_cache(maxsize=1)  # files and terminal ask for the same; none of them changes it
def judge(results: Results) -> pd.DataFrame:
    """Every claim of a study with its verdict; one line for each value of a sweep axis that it leaves open.

    The differences are taken seed by seed, for rows of one seed share their first weights and the crops of one image.
    The interval is Student's for their mean, with n - 1 degrees of freedom; it is a point if all seeds give the same
    difference. A claim holds if the interval lies above its bound, is contradicted if the interval lies below, and is
    not shown otherwise, nor with one seed, nor while a run of either row has failed or is not there.

    Returns:
        Columns claim, verdict, difference, low, high (the 95 % interval; NaN for fewer than two seeds), n (seeds that
        both rows have), bound, metric, side, than, reason (why a claim was not judged, or "").

    Source: Student, Biometrika, 1908; pairing by seed, Bouthillier et al., "Accounting for variance in machine
    learning benchmarks", MLSys 2021; not worse by a margin, Piaggio et al., "Reporting of noninferiority and
    equivalence randomized trials", JAMA 2012.
    """
    probes = results.index.get("probes") or []
    claims = read(results.index.get("claims") or [], probes[0]["name"] if probes else "", results.axes)
    points: list[Point] = [(row.label, row.runs[0].get("axes") or {}) for row in results.rows]
    lines = []
    for claim in claims:
        compared = pairs(claim, points)
        for i, j in compared:
            at = _place(claim, points[i], points[j]) if len(compared) > 1 else ""
            lines.append(_line(results, claim, results.rows[i], results.rows[j], at))
    return pd.DataFrame(lines, columns=_COLUMNS)


def _place(claim: Claim, side: Point, than: Point) -> str:
    """Where on the open axes a comparison is made, to tell it from the claim's others."""
    named = claim.side.axes.keys() | claim.than.axes.keys()
    return ", ".join(f"{axis}={value}" for axis, value in {**than[1], **side[1]}.items() if axis not in named)


def _line(results: Results, claim: Claim, left: Row, right: Row, at: str) -> tuple[Any, ...]:
    sides = ((left, claim.side), (right, claim.than))
    first, second = (_values(results, row, side) for row, side in sides)
    differences = (first - second).dropna().to_numpy()  # aligned by seed
    n = len(differences)
    mean = float(differences.mean()) if n else math.nan
    low, high = interval(differences)
    reason = "; ".join(_missing(results, left, first) + _missing(results, right, second))
    if not reason and n < 2:
        reason = f"{n or 'no'} seed in common, an interval needs two"
    verdict = NOT_SHOWN if reason else _verdict(low, high, claim.bound)
    names = [f"{row.name}: {side.layer}, {results.shown(side.probe)}" for row, side in sides]
    say = f"{claim.say} ({at})" if at else claim.say
    return (say, verdict, mean, low, high, n, claim.bound, claim.side.metric, *names, reason)


def _verdict(low: float, high: float, bound: float) -> str:
    """Of an interval that lies above its bound, below it, or neither."""
    return HOLDS if low > bound else CONTRADICTED if high < bound else NOT_SHOWN


def _values(results: Results, row: Row, side: Side) -> pd.Series:
    """What was measured, by seed."""
    frame = results.frame
    wanted = {name: getattr(side, name) for name in WORDS} | dict(zip(results.axes, row.values, strict=True))
    chosen = np.logical_and.reduce([(frame[column] == value).to_numpy(dtype=bool) for column, value in wanted.items()])
    return frame[chosen].set_index("seed")["value"].dropna()


def _missing(results: Results, row: Row, found: pd.Series) -> list[str]:
    """Why a row lacks a seed, one text for each; those that failed must not drop out of a claim in silence."""
    lacking = [run for run in row.runs if run["seed"] not in found.index]
    return [f"{row.name}, seed {run['seed']}: {_state(results, run)}" for run in lacking]


def _state(results: Results, run: dict[str, Any]) -> str:
    state = results.status(run)
    if state == "failed":
        return f"failed, {results.records[run['hash']].get('reason') or 'no reason recorded'}"
    return "not measured" if state == "finished" else state


def interval(values: np.ndarray[Any, Any]) -> tuple[float, float]:
    """95 % interval of the mean by Student's t; NaN for fewer than two values."""
    n = len(values)
    if n < 2:
        return math.nan, math.nan
    half = stdtrit(n - 1, 0.975) * values.std(ddof=1) / math.sqrt(n)
    return float(values.mean() - half), float(values.mean() + half)
