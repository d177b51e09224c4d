"""`augstudy filters`: first layers side by side."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from augstudy.commands.base import console

__all__ = ["filters"]


def filters(
    encoders: Annotated[
        list[str],
        typer.Argument(metavar="ENCODER...", help="Run folders or .safetensors files; random[:BACKBONE] is a control."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="PNG", help="Picture to write.")] = Path("filters.png"),
) -> None:
    """Draw the first-layer filters of encoders side by side, and print what can be counted of them."""
    from augstudy.evaluate.visuals.encoders import named_encoders
    from augstudy.evaluate.visuals.filters import first_layer
    from augstudy.show.figures.filter_statistics import how_counted
    from augstudy.show.figures.filters import filter_page, how_shown
    from augstudy.show.filter_table import filter_table
    from augstudy.show.pages import save_page

    banks = [(name, first_layer(encoder).astype(float)) for name, encoder in named_encoders(encoders)]
    save_page(filter_page("First-layer filters", how_shown(banks), banks), out)
    console.print(filter_table(banks))
    console.print(how_counted(), highlight=False, style="dim")
    console.print(f"wrote {escape(str(out))}", soft_wrap=True)
