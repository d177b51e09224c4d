"""Pictures of what a study would train on."""

from typing import Any

import numpy as np
import torch

from augstudy.study.pipeline import Laboratory

__all__ = ["caption", "sheets"]

SHOWN = 36


def sheets(laboratory: Laboratory) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """For each row that trains: 36 crops, and two views of the first 18 side by side; (n, h, w, 3) in [0, 1]."""
    found: list[tuple[str, np.ndarray[Any, Any]]] = []
    seen = set()
    for plan in laboratory.planned:
        run = plan.run
        if not run.method.trains or (run.label, *run.axes.items()) in seen:
            continue
        seen.add((run.label, *run.axes.items()))
        source, graph = laboratory.source(plan), run.view.graph()
        crops = source.batch(torch.arange(SHOWN))
        pairs = [source.view(torch.arange(SHOWN // 2), graph, view=v) for v in (0, 1)]
        views = torch.stack(pairs, 1).flatten(0, 1)
        found += [(f"{run.label}: crops", as_pictures(crops)), (f"{run.label}: pairs of views", as_pictures(views))]
    return found


def caption(laboratory: Laboratory) -> str:
    """Which images were really used, and whose they are."""
    used = [f"{image.label} ({image.credit})" if image.credit else image.label for image in laboratory.images.values()]
    return f"Image: {', '.join(used)}." if used else ""


def as_pictures(x: torch.Tensor) -> np.ndarray[Any, Any]:  # (B, 3, h, w) -> (B, h, w, 3)
    return x.clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()
