"""`augstudy stylize`: one picture in the style of another, as encoders see it."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from augstudy.commands.base import console

if TYPE_CHECKING:
    from augstudy.study.progress import Meter

__all__ = ["stylize"]


def stylize(
    content: Annotated[str, typer.Argument(metavar="CONTENT", help="An image's path, or its name (see `data list`).")],
    style: Annotated[str, typer.Argument(metavar="STYLE", help="The image whose style it is to have.")],
    encoders: Annotated[
        list[str],
        typer.Option("--encoder", metavar="ENCODER", help="A run's folder, .safetensors, or random[:BACKBONE]; many."),
    ],
    layers: Annotated[
        list[str] | None,
        typer.Option("--layers", metavar="LAYER", help="Style layers, comma between; all unless told."),
    ] = None,
    content_layer: Annotated[
        str, typer.Option("--content-layer", metavar="LAYER", help="The middle unless told.")
    ] = "",
    steps: Annotated[int, typer.Option("--steps", help="Of L-BFGS.")] = 100,
    size: Annotated[int, typer.Option("--size", metavar="PX", help="Longer side of both pictures.")] = 256,
    style_weight: Annotated[float, typer.Option("--style-weight", help="Against the content's, which is 1.")] = 10.0,
    tv_weight: Annotated[float, typer.Option("--tv-weight", help="Of the total variation.")] = 50.0,
    start: Annotated[str, typer.Option("--start", help="content or noise.")] = "content",
    seed: Annotated[int, typer.Option("--seed", help="Of the noise.")] = 0,
    out: Annotated[Path, typer.Option("--out", metavar="PNG", help="Picture to write.")] = Path("stylized.png"),
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Paint CONTENT in the style of STYLE with the features of each encoder (Gatys et al., 2016), side by side.

    The page shows content, style and result, or the results of all encoders; each result is also written by itself.
    """
    from augstudy.data.device import device_for
    from augstudy.data.images import find_image, load_image
    from augstudy.evaluate.visuals.arrays import as_pixels
    from augstudy.evaluate.visuals.encoders import named_encoders
    from augstudy.evaluate.visuals.style import StyleTransfer, fitted
    from augstudy.show.figures.base import picture_page
    from augstudy.show.figures.style_transfer import how_painted
    from augstudy.show.pages import save_page, save_picture
    from augstudy.study.progress import Meter

    chosen = tuple(name for word in layers or () for name in word.split(",") if name)
    transfer = StyleTransfer(content_layer, chosen, style_weight, tv_weight, steps, start, seed)
    place, used = device_for(device), [find_image(name) for name in (content, style)]
    sources = [fitted(load_image(image.path), size, str(image.path)).to(place) for image in used]
    named = named_encoders(encoders)
    for name, encoder in named:  # all of them, before the first is painted with
        transfer.layers(encoder, name)
    sheets = [
        (f"{what}: {one.name}", as_pixels(x) / 255)
        for what, one, x in zip(("content", "style"), used, sources, strict=True)
    ]
    files = [out.with_name(f"{out.stem}_{number}.png") for number in range(1, len(named) + 1)]
    for (name, encoder), path in zip(named, files, strict=True):
        with Meter(console, name) as meter:
            done = transfer(encoder.to(place), sources[0], sources[1], partial(progress, meter))
        console.print(f"{escape(name)}: {done.told()}", highlight=False, soft_wrap=True)
        save_picture(as_pixels(done.picture), path)
        sheets.append((name, as_pixels(done.picture) / 255))
    caption = how_painted(transfer.told(), {image.name: image.credit for image in used})
    save_page(picture_page("Style transfer", caption, sheets, 7.0), out)
    console.print(f"wrote {', '.join(escape(str(path)) for path in (out, *files))}", highlight=False, soft_wrap=True)


def progress(meter: "Meter", step: int, steps: int, losses: dict[str, float]) -> None:
    """Tell a step and its losses: `content 0.49, style 0.061`."""
    meter(step, steps, ", ".join(f"{name} {value:.2g}" for name, value in losses.items()))
