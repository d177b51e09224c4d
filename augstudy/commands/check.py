"""`augstudy check`: what can be found before training."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from augstudy.commands.base import ResultsFolder, console
from augstudy.core.store import RESULTS
from augstudy.study.written import read_study

__all__ = ["check"]


def check(
    studies: Annotated[list[Path], typer.Argument(metavar="STUDY...", help="Study files; arguments with = override.")],
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An override.")] = None,
    results: ResultsFolder = RESULTS,
    estimate: Annotated[
        bool, typer.Option("--estimate/--no-estimate", help="Time a few steps of each row and say how long all take.")
    ] = True,
) -> None:
    """Find what can be found before training: compose and build every row, find images and data, estimate the time."""
    words = [str(word) for word in studies]
    changes = [word for word in words if "=" in word] + (overrides or [])
    paths = [word for word in words if "=" not in word]
    for path in paths:  # all of them, before the first is built
        read_study(Path(path))
    from augstudy.show.listing import listing
    from augstudy.study.check import in_all, inspect
    from augstudy.study.compose import compose
    from augstudy.study.pipeline import Laboratory

    for path in paths:
        laboratory = Laboratory(compose(Path(path), changes), results)
        laboratory.folder.require_writable()
        for note in laboratory.notes():
            console.print(f"[yellow]note:[/] {escape(note)}", soft_wrap=True)
        with Console(stderr=True).status("timing a few training steps of each row" if estimate else "looking"):
            lines = inspect(laboratory, estimate)
        console.print(listing(path, [line.shown() for line in lines]))
        if estimate:
            console.print(in_all(lines), highlight=False, soft_wrap=True)
