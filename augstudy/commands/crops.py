"""`augstudy crops`: a corpus written to a folder."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from augstudy.commands.base import console

__all__ = ["crops"]


def crops(
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE...", help="Names (see `data list`) or paths of images.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder, or that of the same export.")],
    count: Annotated[int | None, typer.Option("--count", help="Crops in all; 1,281,167 unless told.")] = None,
    size: Annotated[int | None, typer.Option("--size", metavar="PX", help="Side of a crop; 256 unless told.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Names the corpus.")] = 0,
    form: Annotated[str, typer.Option("--format", help="webdataset, folder or npy.")] = "webdataset",
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="jpeg, png or raw; jpeg unless told, raw for npy.")
    ] = None,
    quality: Annotated[int, typer.Option("--quality", help="Of JPEGs, 1 to 100.")] = 90,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the recipe: rotation=0.")
    ] = None,
    shard_size: Annotated[int, typer.Option("--shard-size", help="Crops in a shard, folder or block.")] = 10_000,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    verify: Annotated[bool, typer.Option("--verify", help="Then compare all files with the manifest.")] = False,
) -> None:
    """Write the crops of one image, or of several, to a folder. A killed export goes on where it stopped."""
    from augstudy.study.crops import planned, recipe_from
    from augstudy.study.progress import Meter

    recipe = recipe_from(changes or [], count, size)
    export = planned(images, recipe, out, seed, form, encoding, quality, shard_size, device)
    with Meter(console, "crops") as meter:
        done = export(meter)
    what = f"wrote {done.made:,} crops to" if done.made else f"nothing to do: all {recipe.count:,} crops are in"
    console.print(f"{what} {escape(str(out))}", highlight=False, soft_wrap=True)
    if done.lost:
        console.print(escape(done.told()), highlight=False, soft_wrap=True)
    if verify:
        with Meter(console, "verified") as meter:
            differing = export.verify(meter)
        pixels = f"pixels were not compared ({'; '.join(differing)})" if differing else "crops made anew are the same"
        console.print(f"every file is as in manifest.json, and {escape(pixels)}", highlight=False, soft_wrap=True)
