"""What the commands share: the console, their common arguments, and where a study's results lie."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from augstudy.core.store import StudyFolder

__all__ = ["Overrides", "ResultsFolder", "StudyFile", "StudyName", "console", "folder_of"]

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


def folder_of(study: str, results: Path) -> StudyFolder:
    """`studies/name.yaml`, `name` or the folder itself -> the folder of its results. Raises UserError for none."""
    folder = StudyFolder(Path(study))
    if not folder.index.exists():
        folder = StudyFolder(results / Path(study).name.removesuffix(".yaml"))
    folder.require_results()
    return folder
