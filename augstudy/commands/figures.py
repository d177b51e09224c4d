"""`augstudy figures`: the figures again, from the records."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape

from augstudy.commands.base import ResultsFolder, StudyName, console, folder_of
from augstudy.core.store import RESULTS

__all__ = ["figures"]


class Format(StrEnum):
    """Kinds of files that figures can be."""

    png = "png"
    svg = "svg"
    pdf = "pdf"


def figures(
    study: StudyName,
    results: ResultsFolder = RESULTS,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="NAME", help="Draw only this figure.")] = None,
    formats: Annotated[
        list[Format], typer.Option("--format", help="What to write, may be repeated.", case_sensitive=False)
    ] = [Format.png, Format.svg],  # noqa: B006 - typer reads it and hands out a copy
) -> None:
    """Draw the figures again from the records; needs no torch and no training."""
    folder = folder_of(study, results)
    from augstudy.show.base import load
    from augstudy.show.figures.base import draw

    loaded = load(folder)
    loaded.require_records()
    for path in draw(loaded, only or None, kinds=[kind.value for kind in formats]):
        console.print(f"wrote {escape(str(path))}")
