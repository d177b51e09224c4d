"""`augstudy runs`: what lies on disk of a study, run by run."""

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from augstudy.commands.base import ResultsFolder, StudyName, console, folder_of
from augstudy.core.store import RESULTS

if TYPE_CHECKING:
    from augstudy.show.runs import Found

__all__ = ["runs"]


def runs(
    study: StudyName,
    results: ResultsFolder = RESULTS,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """List the runs of a study that lie on disk: finished, failed, unfinished, and stale ones; changes nothing.

    Stale is a run whose settings belong to no row of the study as it was last run. It is in no table or figure, and is
    taken up again if the study is changed back.
    """
    folder = folder_of(study, results)
    from augstudy.show.listing import listing
    from augstudy.show.runs import found_runs

    found = found_runs(folder)
    if as_json:
        for run in found:
            print(json.dumps(asdict(run)))
        return
    if found:
        console.print(listing(escape(str(folder.path)), [line(run) for run in found]))
    counts = Counter("stale" if run.stale else run.state for run in found)
    console.print(", ".join(f"{count} {state}" for state, count in counts.items()) or "no runs", highlight=False)
    if counts["stale"]:
        console.print(
            f"stale runs are kept; delete their folders in {escape(str(folder.path / 'runs'))} to be rid of them"
        )


def line(run: "Found") -> dict[str, Any]:
    """A run as the list shows it."""
    epochs = "-" if run.epochs is None else f"{run.epochs}/{run.of}" if run.of else str(run.epochs)
    return {
        "row": run.row,
        "seed": "-" if run.seed is None else str(run.seed),
        "state": f"stale, {run.state}" if run.stale else run.state,
        "epochs": epochs,
        "seconds": "-" if run.seconds is None else f"{run.seconds:.0f}",
        "hash": run.hash,
        "note": run.note,
    }
