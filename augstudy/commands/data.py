"""`augstudy data`: the images and labelled sets that a study can name."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from augstudy.commands.base import console

__all__ = ["data"]

data = typer.Typer(
    help="Images and labelled sets that a study can name, and a look at files of your own.", no_args_is_help=True
)


@data.command("list")
def listed() -> None:
    """List the images and labelled sets, their licences, and whether they are on this machine."""
    from augstudy.core import registry
    from augstudy.data.catalogue import catalogue

    images = Table("image", "licence", "credit", "here", title="Images for `image: {name: ...}`")
    for image in catalogue():
        images.add_row(image.name, image.licence, image.credit, "yes" if image.locate() else "no")
    console.print(images)
    sets = Table("data set", "what it is", title="Labelled sets for `probe_data: {name: ...}`")
    for name in registry.names("data.datasets"):
        sets.add_row(name, registry.summary("data.datasets", name))
    console.print(sets)


@data.command("check")
def check(
    path: Annotated[Path, typer.Argument(help="An image, a folder of them, a Parquet file or a tar.")],
    heads: Annotated[bool, typer.Option("--heads", help="Read heads and ends only; decode none.")] = False,
    column: Annotated[str, typer.Option("--column", help="Of a Parquet file: the images.")] = "",
    min_side: Annotated[int, typer.Option("--min-side", min=1, metavar="PX", help="Smaller images are bad.")] = 1,
) -> None:
    """Look at every image and list all that cannot be used, a line each; exit code 2 where there are some."""
    from augstudy.core.errors import printable
    from augstudy.data.survey import survey

    found = survey(path, column, not heads, min_side)
    for error in found.bad:
        console.print(escape(error.what), highlight=False, soft_wrap=True)
    verdict = f"{len(found.bad):,} of {found.count:,} images cannot be used" if found.bad else f"{found.count:,} images"
    console.print(f"{escape(printable(str(path)))}: {verdict}", highlight=False, soft_wrap=True)
    if found.bad:
        raise typer.Exit(2)
