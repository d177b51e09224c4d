"""`augstudy probe`: any encoder's layers on any labelled set."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from augstudy.commands.base import console

__all__ = ["probe"]


def probe(
    encoder: Annotated[
        Path, typer.Argument(metavar="ENCODER", help="A run's folder, an encoder.safetensors, or another's checkpoint.")
    ],
    data: Annotated[
        str, typer.Option("--data", metavar="NAME", help="A labelled set; settings: {name: ..., size: 64}.")
    ],
    layers: Annotated[
        str, typer.Option("--layers", metavar="A,B", help="Layers to probe; all of them unless told.")
    ] = "",
    probes: Annotated[
        list[str] | None, typer.Option("--probe", metavar="NAME", help="linear, knn, ...; may be repeated.")
    ] = None,
    backbone: Annotated[
        str | None, typer.Option("--backbone", metavar="NAME", help="The network of a checkpoint that is not ours.")
    ] = None,
    imagenet: Annotated[
        bool | None, typer.Option("--imagenet/--signed", help="How pixels are scaled; ImageNet's way for others'.")
    ] = None,
    train: Annotated[int, typer.Option("--train", help="Training images used; 0 for all.")] = 0,
    test: Annotated[int, typer.Option("--test", help="Test images used; 0 for all.")] = 0,
    dims: Annotated[int, typer.Option("--dims", help="Numbers a layer is pooled to, at most.")] = 2048,
    calibrate: Annotated[
        int, typer.Option("--calibrate", help="Images for batch norm statistics; 0 keeps them.")
    ] = 5000,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Probe an encoder: one of ours, a torchvision or timm state dict, a lightly or Lightning checkpoint."""
    from augstudy.data.datasets.base import load
    from augstudy.data.device import device_for
    from augstudy.evaluate.features import Extraction
    from augstudy.evaluate.labels import check_labels, overlap
    from augstudy.show.base import with_protocol
    from augstudy.show.listing import listing
    from augstudy.study.probing import probe_with, section_of, trunk_of

    network = section_of(backbone, "--backbone") if backbone else None
    trunk, how = trunk_of(encoder, [name for name in layers.split(",") if name], network, imagenet)
    wanted = [section_of(text, "--probe") for text in probes or ["linear"]]
    node = section_of(data, "--data")
    labelled = load(node.pop("name"), None, node)
    extraction = Extraction(train, test, dims, calibrate)
    notes = [f"{encoder}: {how}", *check_labels(labelled, extraction), *overlap(labelled, extraction)]
    if not as_json:
        for note in notes:
            console.print(f"[yellow]note:[/] {escape(note)}", soft_wrap=True)
    with Console(stderr=True).status("reading features and probing"):
        found = probe_with(trunk, labelled, wanted, extraction, device_for(device))
    train_used, test_used = (len(index) for index in extraction.indices(labelled))
    where = f"{labelled.label}, {train_used:,} training and {test_used:,} test images"
    for name, (part, metrics) in found.items():
        title = with_protocol(name, part.protocol)
        if as_json:
            for m in metrics:
                print(json.dumps({"probe": name, "protocol": part.protocol, "data": labelled.label, **vars(m)}))
            continue
        lines = [
            {"layer": m.layer, "metric": m.metric, "value": f"{m.value:.4g}", "95 % interval": _interval(m.low, m.high)}
            for m in metrics
        ]
        console.print(listing(f"{title} on {where}", lines))


def _interval(low: float | None, high: float | None) -> str:
    """Over test images."""
    return "-" if low is None or high is None else f"{low:.1f} to {high:.1f}"
