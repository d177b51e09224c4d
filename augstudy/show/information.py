"""Mutual information between the views of each row, in nats beside its ceiling, apart from all accuracies."""

import pandas as pd
from rich.table import Table
from rich.text import Text

from augstudy.show.base import Results
from augstudy.show.markdown import escaped, pipes

__all__ = ["information_blocks", "rich_information"]

TITLE = "Mutual information (nats)"
NOTE = (
    "Mean ± sd over n seeds, of the two views' embeddings on held-out pairs. infonce never exceeds its ceiling, log K, "
    "so that a value near it says no more than `at least`; its bilinear critic is fitted anew to a part of the pairs. "
    "ksg reads principal components, hence less than there is; smile has no ceiling. Where they disagree, trust the "
    "order of rows on which they agree."
)


def information_blocks(results: Results) -> list[str]:
    """The section of table.md; none of a study that measures no information."""
    header, lines = _lines(results)
    if not lines:
        return []
    texts = [[escaped(cell) for cell in line] for line in lines]
    return [f"## {TITLE}", pipes([escaped(h) for h in header], texts, texts=1 + len(results.axes)), NOTE]


def rich_information(results: Results) -> list[Table]:
    """The same for a terminal."""
    header, lines = _lines(results)
    if not lines:
        return []
    table = Table(title=Text(TITLE))
    for number, name in enumerate(header):
        table.add_column(Text(name), justify="left" if number == 0 else "right")
    for line in lines:
        table.add_row(*map(Text, line))
    return [table]


def _lines(results: Results) -> tuple[list[str], list[list[str]]]:
    """Header and cells: rows by estimators and their metrics."""
    part = results.frame[results.frame["probe"].isin(results.information)]
    columns = list(part[["probe", "metric"]].drop_duplicates().itertuples(index=False, name=None))
    lines = []
    for row in results.rows:
        mine = part[_is(part, row.key, results.axes)]
        if not mine.empty:
            cells = [_cell(mine, probe, metric) for probe, metric in columns]
            lines.append(
                [row.label, *(str(v) if v != "" else "-" for v in row.values), *cells, str(mine["seed"].nunique())]
            )
    return ["row", *results.axes, *(_heading(*column) for column in columns), "n"], lines


def _is(frame: pd.DataFrame, key: tuple[object, ...], axes: list[str]) -> "pd.Series[bool]":
    found = frame["label"] == key[0]
    for axis, value in zip(axes, key[1:], strict=True):
        found &= frame[axis] == value
    return found


def _heading(probe: str, metric: str) -> str:
    """infonce, infonce (bilinear), infonce: log K; ksg: ceiling."""
    if metric == "ceiling":
        return f"{probe}: log K" if probe.startswith("infonce") else f"{probe}: ceiling"
    return f"{probe}{metric.removeprefix('nats')}"


def _cell(frame: pd.DataFrame, probe: str, metric: str) -> str:
    values = frame.loc[(frame["probe"] == probe) & (frame["metric"] == metric), "value"].dropna()
    if values.empty:
        return "-"
    several = len(values) > 1 and metric != "ceiling"
    return f"{values.mean():.2f} ± {values.std():.2f}" if several else f"{values.mean():.2f}"
