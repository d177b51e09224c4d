"""`augstudy report`: one page of a study that can be handed on, or several side by side."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from augstudy.commands.base import ResultsFolder, console, folder_of
from augstudy.core.store import RESULTS

__all__ = ["report"]


def report(
    studies: Annotated[
        list[str],
        typer.Argument(metavar="STUDY...", help="Study files, names of folders of the results folder, or their paths."),
    ],
    results: ResultsFolder = RESULTS,
    compare: Annotated[bool, typer.Option("--compare", help="Put the studies side by side on one page.")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="HTML", help="Page to write.")] = None,
) -> None:
    """Write a self-contained HTML page of each study, or of all side by side; needs no torch and no training."""
    folders = [folder_of(study, results) for study in studies]
    from augstudy.core.errors import UserError
    from augstudy.show.base import load
    from augstudy.show.figures.base import draw
    from augstudy.show.report import page

    if out and not compare and len(folders) > 1:
        raise UserError(
            f"--out {out} is one page, and there are {len(folders)} studies", "Add --compare, or leave it out."
        )
    found = [load(folder) for folder in folders]
    for loaded in found:
        loaded.require_records()
        draw(loaded, keep=page.is_drawn(loaded))
    if compare:
        short = [folder.path.name for folder in folders]
        names = "_".join(
            name if short.count(name) == 1 else f"{folder.path.parent.name}_{name}"
            for name, folder in zip(short, folders, strict=True)
        )
        paths = [page.compare(found, out or results / f"compare_{names}.html")]
    else:
        paths = [page.write(loaded, out) for loaded in found]
    for path in paths:
        console.print(f"wrote {escape(str(path))}", soft_wrap=True)
