"""Records -> table.csv (every value), table.md (mean and sd over seeds), claims.csv, and what the terminal shows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Group
from rich.table import Table
from rich.text import Text
from scipy.special import stdtrit  # Student's quantiles; scipy.stats has them too, but takes a second to import

from augstudy.core.records import write_records
from augstudy.core.store import write_text
from augstudy.show.base import Results, Row
from augstudy.show.claim_table import claim_blocks, rich_claims
from augstudy.show.costs import samples, seconds
from augstudy.show.information import information_blocks, rich_information
from augstudy.show.markdown import escaped, pipes
from augstudy.show.verdicts import judge

__all__ = ["ASIDE", "BEST_AT_CHANCE", "measure", "rich_table", "summary", "write"]

# At its equilibrium a discriminator is at chance: that is the goal, and no failure.
BEST_AT_CHANCE = ("discriminator accuracy",)
ASIDE = ("penalty", "constant")  # a choice and a fact of the features, no findings: they are in table.csv alone
_NOT_AXES = {"study", "label", "method", "data", "image", "seed", "layer", "probe", "protocol", "probe_data", "metric"}
_NOT_AXES |= {"value", "low", "high"}


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean over seeds of each row, probe, metric and layer, in the order of the frame.

    Returns:
        Columns label, each sweep axis, probe, metric, layer, mean, sd (n - 1 in the denominator), n (values that are
        not NaN), low and high: the 95 % interval of the mean by Student's t. sd, low and high are NaN for n = 1.
    """
    axes = [column for column in frame.columns if column not in _NOT_AXES]
    groups = frame.groupby(["label", *axes, "probe", "metric", "layer"], sort=False, dropna=False)["value"]
    out = groups.agg(mean="mean", sd="std", n="count").reset_index()
    n = out["n"].to_numpy(dtype=float)
    several = n > 1
    half = np.full(len(out), np.nan)
    half[several] = stdtrit(n[several] - 1, 0.975) * out["sd"].to_numpy()[several] / np.sqrt(n[several])
    return out.assign(low=out["mean"] - half, high=out["mean"] + half)


def write(results: Results) -> list[Path]:
    """Write table.csv, table.md and, of a study with claims, claims.csv; equal results give equal bytes.

    What they are made from goes to records.json besides, so that they can be made again where runs are not kept.
    """
    folder, claims = results.folder, judge(results)
    if results.records:
        write_records(folder, results.records)
    write_text(folder.table, results.frame.to_csv(index=False, lineterminator="\n"))
    write_text(folder.markdown, _markdown(results, claims))
    if claims.empty:
        folder.claims.unlink(missing_ok=True)  # those of the study as it was
        return [folder.table, folder.markdown]
    write_text(folder.claims, claims.to_csv(index=False, lineterminator="\n"))
    return [folder.table, folder.markdown, folder.claims]


def measure(metric: str) -> str:
    """A metric's name as an axis or a heading says it, with its unit."""
    return {"top1": "top-1 accuracy (%)", "top5": "top-5 accuracy (%)"}.get(metric, metric)


def rich_table(results: Results) -> Group:
    """The table for a terminal: a section a probe and metric, a line a row, mean ± sd over n seeds of each layer.

    The claims of the study, if it has any, stand below it.
    """
    table = Table(title=Text(results.title), caption=Text("\n".join(_notes(results))), caption_justify="left")
    table.add_column("row", min_width=16)
    for name in (*results.layers, "n"):
        table.add_column(Text(name), justify="right")
    for grid in _grids(results):
        table.add_row(Text(f"{results.shown(grid.probe)}, {measure(grid.metric)}", "italic"))
        for row, cells, n in zip(results.rows, grid.cells, grid.n, strict=True):
            numbers = [Text(cell.text.replace("± ", "±"), "bold" if cell.best else "") for cell in cells]
            table.add_row(Text(row.name), *numbers, Text(n))
        table.add_section()
    claims = judge(results)
    more = [] if claims.empty else [rich_claims(claims)]
    return Group(table, *rich_information(results), *more)


@dataclass(frozen=True)
class _Cell:
    text: str
    best: bool


@dataclass(frozen=True)
class _Grid:
    """The cells of one probe and metric: all rows of the study by all its layers."""

    probe: str
    metric: str
    cells: list[list[_Cell]]
    n: list[str]


def _grids(results: Results) -> list[_Grid]:
    table = summary(results.frame)
    table = table[~table["metric"].isin(ASIDE)]
    table = table[~table["probe"].isin(results.information)]  # nats have a section of their own
    pairs = table[["probe", "metric"]].drop_duplicates().itertuples(index=False)
    return [_grid(results, table, probe, metric) for probe, metric in pairs]


def _grid(results: Results, table: pd.DataFrame, probe: str, metric: str) -> _Grid:
    part = table[(table["probe"] == probe) & (table["metric"] == metric)]
    keys = list(part[["label", *results.axes]].itertuples(index=False, name=None))
    found = dict(zip([(*key, layer) for key, layer in zip(keys, part["layer"], strict=True)], part.index, strict=True))
    where = [[found.get((*row.key, layer)) for layer in results.layers] for row in results.rows]
    best = _best(part, results.rows, where) if metric.startswith("top") else set()
    digits = _digits(part["mean"])
    cells = [
        [_Cell("-" if i is None else _spread(part.at[i, "mean"], part.at[i, "sd"], digits), i in best) for i in line]
        for line in where
    ]
    counts = [{int(part.at[i, "n"]) for i in line if i is not None} or {0} for line in where]
    n = [str(max(c)) if len(c) == 1 else f"{min(c)}-{max(c)}" for c in counts]
    return _Grid(probe, metric, cells, n)


def _best(part: pd.DataFrame, rows: list[Row], where: list[list[int | None]]) -> set[int]:
    """The highest mean of each layer among the rows that compete; none is marked where only one does."""
    competing = [line for row, line in zip(rows, where, strict=True) if not row.is_reference and set(line) != {None}]
    if len(competing) < 2:
        return set()
    columns = [part.loc[[i for i in column if i is not None], "mean"] for column in zip(*competing, strict=True)]
    return {int(i) for means in columns for i in means.index[means == means.max()]}


def _digits(values: pd.Series) -> int:
    """Decimals that leave about three significant digits: one for per cents, two or three for smaller numbers."""
    largest = values.abs().max()
    return 1 if largest >= 10 else 2 if largest >= 1 else 3


def _spread(mean: float, sd: float, digits: int) -> str:
    return f"{mean:.{digits}f}" if np.isnan(sd) else f"{mean:.{digits}f} ± {sd:.{digits}f}"


def _notes(results: Results) -> list[str]:
    """What a reader of the numbers must know, one sentence an entry."""
    return [s for s in (results.image_sentence, results.probe_sentence, *results.warnings, *results.gaps) if s]


def _markdown(results: Results, claims: pd.DataFrame) -> str:
    counts = ", ".join(f"{count} {state}" for state, count in results.counts.items() if count)
    blocks = [f"# {escaped(results.title)}"]
    if results.index.get("question"):
        blocks.append(escaped(str(results.index["question"])))
    blocks += [escaped(s) for s in (results.image_sentence, results.probe_sentence) if s]
    blocks += [f"**Note.** {escaped(warning)}" for warning in results.warnings]
    blocks.append(f"Scale: {escaped(str(results.index.get('scale', '-')))}. Runs: {counts or 'none'}.")
    for grid in _grids(results):
        blocks += [
            f"## {escaped(results.shown(grid.probe))}: {escaped(measure(grid.metric))}",
            _grid_lines(grid, results),
        ]
    if results.frame.empty:
        blocks.append("No run has been evaluated yet.")
    else:
        blocks.append("Mean ± sd over n seeds. Bold: the best row of a layer, references left out.")
    blocks += information_blocks(results)
    if not claims.empty:
        blocks += claim_blocks(claims)
    if training := _training_lines(results):
        blocks += ["## Training", training, "Samples: crops x epochs x views of a crop that a run was trained on."]
    if pretext := _pretext_lines(results):
        blocks += ["## Pretext task", pretext]
    if results.gaps:
        blocks += ["## Failed or unfinished", "\n".join(f"- {escaped(gap)}" for gap in results.gaps)]
    blocks += ["## Make it again", f"```\n{results.command}\n```"]
    return "\n\n".join(blocks) + "\n"


def _grid_lines(grid: _Grid, results: Results) -> str:
    lines = [
        [escaped(row.label), *map(_value, row.values), *(_cell(c) for c in cells), n]
        for row, cells, n in zip(results.rows, grid.cells, grid.n, strict=True)
    ]
    return pipes([escaped(h) for h in ("row", *results.axes, *results.layers, "n")], lines, texts=1 + len(results.axes))


def _value(value: Any) -> str:
    """A row's place on a sweep axis; "-" where the axis does not reach it."""
    return escaped(str(value)) if value != "" else "-"


def _cell(cell: _Cell) -> str:
    return f"**{cell.text}**" if cell.best else cell.text


def _training_lines(results: Results) -> str:
    """What each row was trained on and for how long, where the study says."""
    lines = []
    for row in results.distinct_rows:
        count, took = samples(row), seconds(results, row)
        if count is not None:
            mean = f"{sum(took) / len(took):,.0f}" if took and count else "-"
            lines.append([escaped(row.label), *map(_value, row.values), f"{count:,}" if count else "-", mean])
    header = [*map(escaped, ("row", *results.axes)), "samples", "seconds a run"]
    return pipes(header, lines, texts=1 + len(results.axes)) if lines else ""


def _pretext_lines(results: Results) -> str:
    lines = []
    for row in results.rows:
        done = [results.records[run["hash"]] for run in row.runs if results.status(run) == "finished"]
        entries: dict[str, list[dict[str, Any]]] = {}
        for entry in (entry for record in done for entry in record.get("pretext") or []):
            entries.setdefault(entry["metric"], []).append(entry)
        for metric, same in entries.items():
            measured = f"{metric} ({same[0]['unit']})" if same[0].get("unit") else metric
            lines.append([escaped(row.label), *map(_value, row.values), escaped(measured), *_pretext_cells(same)])
    header = [*map(escaped, ("row", *results.axes)), "metric", "mean", "chance", "better", "n"]
    return pipes(header, lines, texts=2 + len(results.axes)) if lines else ""


def _pretext_cells(entries: list[dict[str, Any]]) -> list[str]:
    values = pd.Series([entry["value"] for entry in entries], dtype=float)
    chance = entries[0].get("chance")
    mean = _spread(values.mean(), values.std(), _digits(values))
    better = "chance" if entries[0]["metric"] in BEST_AT_CHANCE else entries[0].get("better") or "-"
    return [mean, "-" if chance is None else f"{chance:.3g}", better, str(values.count())]
