"""`augstudy figures`: the figures again, from the records."""

from typing import Annotated

import typer
from rich.markup import escape

from augstudy.commands.base import ResultsFolder, StudyName, console, folder_of
from augstudy.core.store import RESULTS

__all__ = ["figures"]


def figures(
    study: StudyName,
    results: ResultsFolder = RESULTS,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="NAME", help="Draw only this figure.")] = None,
) -> None:
    """Draw the figures again from the records; needs no torch and no training."""
    folder = folder_of(study, results)
    from augstudy.show.base import load
    from augstudy.show.figures.base import draw

    loaded = load(folder)
    loaded.require_records()
    for path in draw(loaded, only or None):
        console.print(f"wrote {escape(str(path))}")
