"""`augstudy neurons`: what single units of an encoder answer to."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from augstudy.commands.base import console

__all__ = ["neurons"]


def neurons(
    encoder: Annotated[
        str, typer.Argument(metavar="ENCODER", help="A run's folder, a .safetensors file, or random[:BACKBONE].")
    ],
    layer: Annotated[str, typer.Option("--layer", help="The last unless told.")] = "",
    units: Annotated[str, typer.Option("--units", metavar="N,N,...", help="Its channels; some unless told.")] = "",
    count: Annotated[int, typer.Option("--count", help="How many units, unless they are named.")] = 8,
    image: Annotated[str, typer.Option("--image", help="To cut crops from; the run's own unless told.")] = "",
    crops: Annotated[int, typer.Option("--crops", help="How many crops are looked at.")] = 2048,
    steps: Annotated[int, typer.Option("--steps", help="Of gradient ascent.")] = 96,
    size: Annotated[int, typer.Option("--size", metavar="PX", help="Side of the pictures made.")] = 64,
    seed: Annotated[int, typer.Option("--seed", help="Of noise and shifts.")] = 0,
    out: Annotated[Path, typer.Option("--out", metavar="PNG", help="Picture to write.")] = Path("neurons.png"),
) -> None:
    """Draw, for some units of a layer, a picture made to excite each, and the crops that excite it most."""
    from augstudy.core.errors import UserError
    from augstudy.evaluate.visuals.arrays import as_pixels
    from augstudy.evaluate.visuals.encoders import named_encoders
    from augstudy.evaluate.visuals.neurons import Neurons
    from augstudy.show.neuron_page import neuron_page
    from augstudy.show.pages import save_page
    from augstudy.study.progress import Meter
    from augstudy.study.seen import corpus_seen

    try:
        wanted = tuple(int(word) for word in units.split(",") if word)
    except ValueError:
        raise UserError(f"--units is {units!r}, not numbers", "Write --units 0,5,17.") from None
    settings = Neurons(layer, wanted, count, steps, size=size, seed=seed)
    ((name, network),) = named_encoders([encoder])
    where, chosen = settings.chosen(network)
    corpus = corpus_seen(encoder, image)
    with Meter(console, name) as meter:
        made, answers = settings.maximised(network, meter)
    shown = []
    if corpus is not None:
        best = settings.exciting(network, corpus, crops)
        shown = [
            (as_pixels(corpus.batch(one)), value)
            for one, value in zip(best.crops, best.activation.tolist(), strict=True)
        ]
    looked = f"{min(crops, len(corpus)):,} crops of one image" if corpus is not None else ""
    save_page(neuron_page(name, where, chosen, as_pixels(made), answers.tolist(), shown, looked, settings.told()), out)
    console.print(f"wrote {escape(str(out))}", soft_wrap=True)
