"""What the commands share: the console, their common arguments, and where a study's results lie."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from augstudy.core.absent import require_results
from augstudy.core.errors import UserError
from augstudy.core.store import StudyFolder

__all__ = ["Overrides", "ResultsFolder", "StudyFile", "StudyName", "complain", "console", "folder_of"]

console = Console()

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="A study file, such as studies/single_image_A.yaml.")]
StudyName = Annotated[
    str,
    typer.Argument(
        metavar="STUDY", help="A study file, the name of a folder of the results folder, or the path of such a folder."
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[OVERRIDE]...",
        help="Hydra's grammar: scale=smoke, seeds=\\[0,1], method.lr=0.1; several values sweep: view.strength=0,0.5,1.",
    ),
]
ResultsFolder = Annotated[Path, typer.Option("--results", metavar="DIR", help="Where results of all studies lie.")]


def complain(error: UserError) -> None:
    """What is wrong and what to do, in two lines."""
    stderr = Console(stderr=True, soft_wrap=True)
    stderr.print(f"[bold red]error:[/] {escape(error.what)}", highlight=False)
    stderr.print(escape(error.fix), highlight=False)


def folder_of(study: str, results: Path) -> StudyFolder:
    """`studies/name.yaml`, `name` or the folder itself -> the folder of its results. Raises UserError for none."""
    folder = StudyFolder(Path(study))
    if not folder.index.exists():
        folder = StudyFolder(results / Path(study).name.removesuffix(".yaml"))
    require_results(folder, Path(study) if Path(study).is_file() else None)
    return folder
