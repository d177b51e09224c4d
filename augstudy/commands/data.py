"""`augstudy data`: the images and labelled sets that a study can name."""

import typer
from rich.table import Table

from augstudy.commands.base import console

__all__ = ["data"]

data = typer.Typer(help="Images and labelled sets that a study can name.", no_args_is_help=True)


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
