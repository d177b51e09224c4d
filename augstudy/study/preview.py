"""Pictures of what a study would train on, with what was done to each, and the passes that it takes."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

import numpy as np
import torch

from augstudy.augment.graph import Graph
from augstudy.data.corpus import Corpus, Source
from augstudy.study.captions import texts
from augstudy.study.pairs import pair_pictures
from augstudy.study.pipeline import Laboratory
from augstudy.study.stock import Planned

__all__ = ["caption", "plans", "sheets"]

SHOWN = 24

Pictures = np.ndarray[Any, Any]
Sheet = tuple[str, Pictures, list[str]]  # label, pictures, a text for each


def trained(laboratory: Laboratory) -> Iterator[Planned]:
    """The first run of each row that trains."""
    yield from (plans[0] for plans in laboratory.rows if plans[0].run.method.trains)


def sheets(laboratory: Laboratory) -> list[Sheet]:
    """Crops of each corpus, then for each view of it pairs of views of half as many; (n, h, w, C) in [0, 1].

    Rows with the same crops, or the same views of them, share a sheet that names them all.
    """
    found: list[Sheet] = []
    for corpus in groups(trained(laboratory), seen):
        source = laboratory.source(corpus[0])
        found.append((f"{names(corpus)}: crops", *crops(source)))
        for same in groups(corpus, lambda plan: (plan.run.view_name, repr(plan.run.view))):
            pictures, told = pairs(source, *same[0].run.view.pair())
            found.append((f"{names(same)}: pairs of views", pictures, told))
            if small := further(same[0]):
                found.append((f"{names(same)}: further views", *smaller(source, small)))
    return found


def groups(plans: Iterable[Planned], key: Callable[[Planned], Hashable]) -> list[list[Planned]]:
    """Those together that have the same key, in the order of the first of them."""
    found: dict[Hashable, list[Planned]] = {}
    for plan in plans:
        found.setdefault(key(plan), []).append(plan)
    return list(found.values())


def seen(plan: Planned) -> Hashable:
    """What names the crops that a run sees."""
    run = plan.run
    content = plan.image.content if plan.image else plan.drawn.content if plan.drawn else run.full
    return run.data, content, run.recipe if run.cropped else None


def names(plans: list[Planned]) -> str:
    return "; ".join(plan.run.row for plan in plans)


def crops(source: Source) -> tuple[Pictures, list[str]]:
    """The first crops of a source, and what was done to each."""
    index = torch.arange(min(SHOWN, len(source)))
    return as_pictures(source.batch(index)), texts(source, index)


def pairs(source: Source, first: Graph, second: Graph) -> tuple[Pictures, list[str]]:
    """Two views of each of the first crops side by side, and what was done to each."""
    index = torch.arange(min(SHOWN // 2, len(source)))
    graphs = (first, second)
    told = zip(*(texts(source, index, graph, v) for v, graph in enumerate(graphs)), strict=True)
    return as_pictures(pair_pictures(source, graphs, index)), [text for pair in told for text in pair]


def further(plan: Planned) -> dict[int, Graph]:
    """The views of a crop beyond the pair that are made like the last of them, by their numbers."""
    graphs = plan.run.view.graphs(plan.run.method.views)
    return {number: graph for number, graph in enumerate(graphs) if number > 1 and graph == graphs[-1]}


def smaller(source: Source, graphs: dict[int, Graph]) -> tuple[Pictures, list[str]]:
    """These views of the first crops, those of a crop side by side, and what was done to each."""
    index = torch.arange(min(max(1, SHOWN // len(graphs)), len(source)))
    views = [source.view(index, graph, view=number) for number, graph in graphs.items()]
    told = zip(*(texts(source, index, graph, number) for number, graph in graphs.items()), strict=True)
    return as_pictures(torch.stack(views, 1).flatten(0, 1)), [text for crop in told for text in crop]


def plans(laboratory: Laboratory) -> list[tuple[str, str]]:
    """For each row that trains: its name, and the passes that make a view of its crops."""
    found = []
    for plan in trained(laboratory):
        source, graph = laboratory.source(plan), plan.run.view.graph()
        found.append((plan.run.row, (source.crop + graph if isinstance(source, Corpus) else graph).describe()))
    return found


def caption(laboratory: Laboratory) -> str:
    """Which images were really used, and whose they are, and how to read the words under the pictures."""
    images = laboratory.stock.images.values()
    used = [f"{image.label} ({image.credit})" if image.credit else image.label for image in images]
    words = (
        "Under each picture: its area as a share of the image, its turn (counter-clockwise), whether it is mirrored; "
        "brightness (b), contrast (c) and saturation (s) factors and hue shift (h); then what else was done to it."
    )
    return f"Image: {', '.join(used)}. {words}" if used else words


def as_pictures(x: torch.Tensor) -> Pictures:  # (B, C, h, w) -> (B, h, w, C)
    return x.clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()
