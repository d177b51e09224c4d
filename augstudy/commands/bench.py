"""`augstudy bench`: speed side by side with what a user would pick instead."""

import json
from typing import Annotated

import typer
from rich.console import Console

from augstudy.commands.base import console

__all__ = ["bench"]


def bench(
    name: Annotated[
        str, typer.Argument(metavar="BENCH", help="What to measure: crops, views, probe, train or compute.")
    ],
    sizes: Annotated[
        list[int] | None,
        typer.Option("--size", metavar="PX", help="Side in pixels, may be repeated; a bench has its own."),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="Timing of each line, all sides together.")] = 30.0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    image: Annotated[str | None, typer.Option("--image", metavar="NAME", help="An image, by name or path.")] = None,
    quality: Annotated[bool, typer.Option("--quality/--no-quality", help="Measure the crops' PSNR as well.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Time this package side by side with what you would use instead, on this machine."""
    from augstudy.core import registry

    part = registry.find("bench", name)
    from augstudy.bench.base import Settings
    from augstudy.show.listing import comparison

    lines = part().lines(Settings(tuple(sizes or ()), seconds, device, image, quality))
    records = []
    with Console(stderr=True).status(f"bench {name}: all sides take turns; nothing else should run on this machine"):
        for line in lines:
            records.append(line.record())
            if as_json:
                print(json.dumps(records[-1]), flush=True)
    if not as_json:
        console.print(comparison(name, records))
