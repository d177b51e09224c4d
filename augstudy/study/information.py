"""The estimators of mutual information that a study asks for, and what they read: held-out pairs, embedded."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from augstudy.core import registry
from augstudy.core.build import build, check_range, settings
from augstudy.core.errors import UserError, nearest
from augstudy.core.store import digest
from augstudy.evaluate.mi.base import Estimator, Pairs
from augstudy.learn.checkpoint import load_checkpoint
from augstudy.learn.methods.base import Modules
from augstudy.learn.pretrain import Pretraining
from augstudy.study.plan import Run

__all__ = ["Information"]

CHUNK = 1000  # pairs at a time


@dataclass(frozen=True)
class Information:
    """The `mi` section of a study.

    Args:
        pairs: held-out crops, each seen in two views.
        estimators: name -> estimator; none where a study has no such section.
    """

    pairs: int = 10_000
    estimators: dict[str, Estimator] = field(default_factory=dict)

    @classmethod
    def of(cls, node: Mapping[str, Any], where: str) -> "Information":
        """From `{pairs: 10000, estimators: [infonce, ...]}`, or names with settings.

        Raises:
            UserError: an unknown key or estimator, or more pairs needed than there are.
        """
        for key in node:
            if key not in settings(cls):
                raise UserError(f"{where}: unknown key {key!r}", nearest(str(key), settings(cls)))
        named = node.get("estimators", {})
        named = {name: {} for name in named} if isinstance(named, list | tuple) else named
        pairs = node.get("pairs", cls.pairs)
        try:
            check_range("pairs", pairs, 2)
        except UserError as error:
            raise error.at(where) from None
        made: dict[str, Estimator] = {}
        for name, its in named.items():
            try:
                part = registry.find("evaluate.mi", name)
            except UserError as error:
                raise error.at(f"{where}: estimators") from None
            made[name] = build(part, its or {}, f"{where}: estimators: {name}")
        found = cls(int(pairs), made)
        found.check(found.pairs, where)
        return found

    def check(self, pairs: int, where: str) -> None:
        """Raises UserError where an estimator needs more pairs than there are, such as K candidates for InfoNCE."""
        for name, estimator in self.estimators.items():
            if estimator.least > pairs:
                k = f" with k {estimator.k}" if hasattr(estimator, "k") else ""
                what = f"{where}: {name}{k} needs {estimator.least:,} pairs, and there are {pairs:,}"
                raise UserError(what, "Set mi.pairs to more, or the estimator's k to less.")

    def covers(self, run: Run) -> bool:
        """Whether it can be told of a run: of methods that compare two views."""
        return bool(self.estimators) and run.method.contrasts

    def check_run(self, run: Run, held_out: int) -> None:
        """Raises UserError, the row named, where a run's source keeps too few crops out of its training."""
        if self.covers(run):
            self.check(min(held_out, self.pairs), f"row {run.row!r}: mi")

    def key(self, name: str) -> str:
        """Names an estimator with its settings and pairs, so that a changed one is measured anew."""
        return digest([name, asdict(self.estimators[name]), self.pairs])

    def index(self) -> list[dict[str, str]]:
        """What tables and figures need to know."""
        return [{"name": name, "key": self.key(name)} for name in self.estimators]

    def told(self, lines: Sequence[dict[str, Any]], runs: Sequence[Run]) -> dict[str, Any]:
        """What `study.yaml` says of it: the estimators, and by their lines the runs that they are asked of."""
        if not self.estimators:
            return {}
        marked = [line | {"mi": True} if self.covers(run) else line for line, run in zip(lines, runs, strict=True)]
        return {"mi": self.index(), "runs": marked}

    def lacking(self, record: dict[str, Any], run: Run) -> dict[str, Estimator]:
        """The estimators that a record has no evaluation by."""
        if not self.covers(run):
            return {}
        done = {e["key"] for e in record["evaluations"]}
        return {name: estimator for name, estimator in self.estimators.items() if self.key(name) not in done}

    def missing(self, record: dict[str, Any], run: Run, training: Pretraining) -> Iterator[dict[str, Any]]:
        """The evaluations that a record lacks, one by one, on views that the run's networks were never trained on.

        Raises:
            UserError: the checkpoint, which holds the heads, is gone, or a feature is not finite.
        """
        wanted = self.lacking(record, run)
        if not wanted:
            return
        try:
            pairs = self.read(training)
            for name, estimator in wanted.items():
                metrics = [asdict(m) for m in estimator(pairs)]
                yield {"probe": name, "key": self.key(name), "probe_data": "held-out pairs", "metrics": metrics}
        except UserError as error:
            raise error.at(f"row {run.row!r}: mi") from None

    @torch.no_grad()
    def read(self, training: Pretraining) -> Pairs:
        """Embeddings and heads of held-out pairs, networks in eval mode."""
        modules = restored(training)
        parts: list[tuple[Tensor, ...]] = []
        for index in training.source.held_out(self.pairs).split(CHUNK):
            views = modules.compared(training.judging(index).views)[:2]
            embeddings = [side.embed(view) for side, view in zip(modules.sides(), views, strict=True)]
            parts.append((*embeddings, *modules.projected(views)))
        first, second, z, w = (torch.cat(side).float() for side in zip(*parts, strict=True))
        return Pairs(first, second, (z, w), float(getattr(training.method, "temperature", math.nan)))


def restored(training: Pretraining) -> Modules:
    """The networks of a finished training, heads and all."""
    state = load_checkpoint(training.folder.checkpoint)
    if state is None:
        what = f"there is no {training.folder.checkpoint}, which holds the heads that the views are compared by"
        raise UserError(what, f"Delete {training.folder.record} and run again: this one run is trained anew.")
    modules, _ = training.make()
    modules.load_state_dict(state["modules"])
    return modules.eval()
