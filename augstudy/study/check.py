"""What `augstudy check` tells of a study: rows, parameters, samples, and how long training would take."""

from dataclasses import dataclass, replace
from functools import cache

import torch

from augstudy.learn.backbones.base import Backbone
from augstudy.study.estimate import human, training_seconds
from augstudy.study.pipeline import Laboratory
from augstudy.study.stock import Planned

__all__ = ["Line", "in_all", "inspect"]

EACH, ALL = 2.0, 20.0  # seconds of timing: of a row, and of all rows together


@dataclass(frozen=True)
class Line:
    """One row of a study, at one point of its sweep.

    Args:
        row: its label and its place in the sweep.
        method: name of the method.
        data: which image, or which regime.
        parameters: of the encoder.
        samples: seen in the training of one run: crops x epochs x views of a crop.
        runs: one a seed.
        seconds: about how long the training of all its runs takes on this machine; None when nothing was timed.
    """

    row: str
    method: str
    data: str
    parameters: int
    samples: int
    runs: int
    seconds: float | None = None

    def shown(self) -> dict[str, str]:
        """As a person reads it."""
        method = self.method if self.data == "none" else f"{self.method}, {self.data}"
        cells = {"row": self.row, "method": method}
        cells |= {name: f"{getattr(self, name):,}" for name in ("parameters", "samples", "runs")}
        return cells if self.seconds is None else cells | {"time": human(self.seconds) if self.seconds else "-"}


def inspect(laboratory: Laboratory, timed: bool = False, known: dict[str, float] | None = None) -> list[Line]:
    """One line a row of the study and point of its sweep, in the order of the table.

    Args:
        timed: also make a few training steps of each, about two seconds long, twenty in all.
        known: seconds of trainings timed before, by all that they depend on; gains what is timed now. Studies that are
            looked at together share many rows.
    """
    known = {} if known is None else known
    lines = [_line(laboratory, plans) for plans in laboratory.rows]
    if not timed:
        return lines
    kinds = [_kind(laboratory, plans[0]) for plans in laboratory.rows]
    budget = min(EACH, ALL / max(1, len(set(kinds) - known.keys())))
    for kind, plans in zip(kinds, laboratory.rows, strict=True):
        if kind not in known:
            known[kind] = _seconds(laboratory, plans[0], budget)
    trios = zip(lines, kinds, laboratory.rows, strict=True)
    return [replace(line, seconds=len(plans) * known[kind]) for line, kind, plans in trios]


def in_all(lines: list[Line]) -> str:
    """The time of all lines in a sentence."""
    total = human(sum(line.seconds or 0.0 for line in lines))
    return f"training all runs would take about {total} on this machine; reading features and probing come on top"


def _line(laboratory: Laboratory, plans: list[Planned]) -> Line:
    plan, run = plans[0], plans[0].run
    return Line(
        row=run.row,
        method=run.method_name,
        data=run.data if plan.pictures == "-" else plan.pictures,
        parameters=parameters(run.method.network(run.backbone, run.view)),
        samples=laboratory.stock.samples(plan, laboratory.fabric.device),
        runs=len(plans),
    )


@cache
def parameters(backbone: Backbone) -> int:
    """How many an encoder has, counted without making them."""
    with torch.device("meta"):
        return sum(p.numel() for p in backbone.encoder().parameters())


def _kind(laboratory: Laboratory, plan: Planned) -> str:
    """Names all that the time of a training depends on, so that rows which differ in nothing else are timed once.

    Of a view these are its passes and sizes: how strong a jitter or how small a crop is takes no time.
    """
    run, study = plan.run, laboratory.study
    size = (run.view.size, run.view.size)
    views = [(g.describe(), g.out_size(size)) for g in run.view.graphs(run.method.views)] if run.method.trains else []
    crops = len(laboratory.source(plan)) if run.method.trains else 0
    teacher = plan.teacher.run.backbone if isinstance(plan.teacher, Planned) else plan.teacher
    return repr((run.method, run.backbone, size, views, crops, teacher, study.device, study.precision, study.compute))


def _seconds(laboratory: Laboratory, plan: Planned, budget: float) -> float:
    run = plan.run
    if not run.method.trains or not run.method.epochs:
        return 0.0
    return training_seconds(laboratory.training(plan, rehearsed=True), budget)
