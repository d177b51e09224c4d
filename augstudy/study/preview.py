"""Pictures of what a study would train on, with what was done to each, and the passes that it takes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from augstudy.data.corpus import Corpus
from augstudy.study.captions import texts
from augstudy.study.pipeline import Laboratory
from augstudy.study.stock import Planned

__all__ = ["caption", "plans", "sheets"]

SHOWN = 24

Sheet = tuple[str, np.ndarray[Any, Any], list[str]]  # label, pictures, a text for each


def trained(laboratory: Laboratory) -> Iterator[Planned]:
    """The first run of each row that trains."""
    yield from (plans[0] for plans in laboratory.rows if plans[0].run.method.trains)


def sheets(laboratory: Laboratory) -> list[Sheet]:
    """For each row that trains: crops, and two views of each of half as many side by side; (n, h, w, C) in [0, 1]."""
    found: list[Sheet] = []
    for plan in trained(laboratory):
        source, graph = laboratory.source(plan), plan.run.view.graph()
        index, half = torch.arange(SHOWN), torch.arange(SHOWN // 2)
        found.append((f"{plan.run.row}: crops", as_pictures(source.batch(index)), texts(source, index)))
        sides = [source.view(half, graph, view=v) for v in (0, 1)]
        told = zip(*(texts(source, half, graph, v) for v in (0, 1)), strict=True)
        views = as_pictures(torch.stack(sides, 1).flatten(0, 1))
        tiles = "" if views.shape[-1] == 3 else ", their channels side by side"
        found.append((f"{plan.run.row}: pairs of views{tiles}", views, [text for pair in told for text in pair]))
    return found


def plans(laboratory: Laboratory) -> list[tuple[str, str]]:
    """For each row that trains: its name, and the passes that make a view of its crops."""
    found = []
    for plan in trained(laboratory):
        source, graph = laboratory.source(plan), plan.run.view.graph()
        found.append((plan.run.row, (source.crop + graph if isinstance(source, Corpus) else graph).describe()))
    return found


def caption(laboratory: Laboratory) -> str:
    """Which images were really used, and whose they are, and how to read the words under the pictures."""
    used = [f"{image.label} ({image.credit})" if image.credit else image.label for image in laboratory.images.values()]
    words = (
        "Under each picture: its area as a share of the image, its turn (counter-clockwise), whether it is mirrored; "
        "brightness (b), contrast (c) and saturation (s) factors and hue shift (h); then what else was done to it."
    )
    return f"Image: {', '.join(used)}. {words}" if used else words


def as_pictures(x: torch.Tensor) -> np.ndarray[Any, Any]:  # (B, C, h, w) -> (B, h, w, C)
    return x.clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()
