"""`augstudy preview`: pictures of crops and views before anyone trains."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from augstudy.commands.base import Overrides, ResultsFolder, StudyFile, console
from augstudy.core.store import RESULTS
from augstudy.study.written import read_study

__all__ = ["preview"]


def preview(
    study: StudyFile,
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="PNG", help="Picture to write.")] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only print the passes that make the views of each row.")
    ] = False,
    results: ResultsFolder = RESULTS,
) -> None:
    """Draw crops of the corpus, and views made from them, before anyone trains."""
    read_study(study)
    from augstudy.show.preview import save_preview
    from augstudy.study.compose import compose
    from augstudy.study.pipeline import Laboratory
    from augstudy.study.preview import caption, plans, sheets

    laboratory = Laboratory(compose(study, overrides or []), results)
    if plan:
        for row, passes in plans(laboratory):
            console.print(f"{escape(row)}: {escape(passes)}", highlight=False, soft_wrap=True)
        return
    path = out or laboratory.folder.path / "preview.png"
    save_preview(path, laboratory.study.title or laboratory.study.name, caption(laboratory), sheets(laboratory))
    console.print(f"wrote {escape(str(path))}")
