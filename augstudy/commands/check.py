"""`augstudy check`: what can be found before training."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from augstudy.commands.base import ResultsFolder, complain, console
from augstudy.core.errors import UserError
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
    readable = [path for path in paths if _passes(read_study, Path(path))]  # all of them, before the first is built
    known: dict[str, float] = {}
    sound = [path for path in readable if _passes(_show, Path(path), changes, results, estimate, known)]
    if len(sound) < len(paths):
        raise typer.Exit(2)
    console.print(f"no mistake found in {', '.join(escape(path) for path in paths)}", highlight=False, soft_wrap=True)


def _passes(look: Callable[..., object], *arguments: Any) -> bool:
    """Whether a look at one study finds nothing wrong; what it finds is told, so that the others are looked at too."""
    try:
        look(*arguments)
    except UserError as error:
        complain(error)
        return False
    return True


def _show(path: Path, changes: list[str], results: Path, estimate: bool, known: dict[str, float]) -> None:
    from augstudy.show.listing import listing
    from augstudy.study.check import in_all, inspect
    from augstudy.study.compose import compose
    from augstudy.study.pipeline import Laboratory

    laboratory = Laboratory(compose(path, changes), results)
    laboratory.folder.require_writable()
    for note in laboratory.notes():
        console.print(f"[yellow]note:[/] {escape(note)}", soft_wrap=True)
    with Console(stderr=True).status("timing a few training steps of each row" if estimate else "looking"):
        lines = inspect(laboratory, estimate, known)
    console.print(listing(str(path), [line.shown() for line in lines]))
    if estimate:
        console.print(in_all(lines), highlight=False, soft_wrap=True)
