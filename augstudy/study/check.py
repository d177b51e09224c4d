"""What `augstudy check` tells of a study: rows, parameters and samples."""

from typing import Any

from augstudy.core import rng
from augstudy.study.pipeline import Laboratory

__all__ = ["inspect"]


def inspect(laboratory: Laboratory) -> list[dict[str, Any]]:
    """One mapping a row of the study and point of its sweep; builds every network and one batch of every source."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for plan in laboratory.planned:
        run = plan.run
        key = (run.label, *run.axes.items())
        if key in rows:
            rows[key]["seeds"] += 1
            continue
        with rng.torch_seeded(0, "check"):
            encoder = run.backbone.encoder()
        count = len(laboratory.source(plan)) if run.method.trains else 0
        rows[key] = {
            "row": ", ".join([run.label, *(f"{k}={v}" for k, v in run.axes.items())]),
            "data": run.data if plan.pictures == "-" else plan.pictures,
            "weights": sum(p.numel() for p in encoder.parameters()),
            "crops": count,
            "epochs": run.method.epochs,
            "seen": count * run.method.epochs,
            "seeds": 1,
        }
    return list(rows.values())
