"""The command line: every command of `commands/` under one name, and errors in two lines."""

import sys
from contextlib import AbstractContextManager
from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer

from augstudy.commands.base import complain
from augstudy.core.errors import UserError, on_disk
from augstudy.core.progress import Step, shown_by
from augstudy.core.stop import Stopped, heed

__all__ = ["main"]

COMMANDS = (
    "run",
    "check",
    "preview",
    "crops",
    "runs",
    "table",
    "figures",
    "probe",
    "filters",
    "stylize",
    "neurons",
    "report",
    "bench",
    "data",
)  # in the order of the help

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def add(name: str) -> None:
    """`commands/<name>.py` gives a function or, for a command of commands, a Typer of its own."""
    command = getattr(import_module(f"augstudy.commands.{name}"), name)
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name)
    else:
        app.command(name)(command)


for name in COMMANDS:
    add(name)


def print_version(wanted: bool) -> None:
    """Print the version, and be done."""
    if wanted:
        print(f"augstudy {version('augstudy')}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """What do augmentations teach a self-supervised vision network?"""


def meter(what: str) -> AbstractContextManager[Step]:
    """How far long work has come, on the standard error."""
    from rich.console import Console

    from augstudy.study.progress import Meter

    return Meter(Console(stderr=True), what)


def main() -> None:
    """Entry point: an error meant for the user is two lines and exit code 2; of a signal it is 128 + its number."""
    heed()
    shown_by(meter)
    try:
        app()
    except Stopped as stopped:
        complain(UserError(f"stopped by {stopped}", "Give the same command again; what is finished is kept."))
        sys.exit(stopped.code)
    except (UserError, OSError) as caught:
        error = caught if isinstance(caught, UserError) else on_disk(caught)
        complain(error)
        sys.exit(2)
