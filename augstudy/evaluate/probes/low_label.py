"""Low-label probe: accuracy against the share of labels that the classifier may see."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.core.errors import UserError
from augstudy.evaluate.features import Features
from augstudy.evaluate.probes.base import FeatureProbe, Metric
from augstudy.evaluate.probes.linear import Linear
from augstudy.evaluate.scores import bootstrap, class_count, standardised

__all__ = ["LowLabel", "stratified"]

PERCENTS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


@dataclass(frozen=True)
class LowLabel(FeatureProbe):
    """Linear classifiers (the fast protocol) on a share of the training labels, several draws of each.

    Every class keeps its share, and one image at least. A value is the mean over draws; its interval is over test
    images, each counted by how many draws were right about it. The penalty is chosen anew in every draw.

    Args:
        percents: of the labels.
        draws: repetitions of each share below 100 %, with other images.

    Source: the shares are those of the usual data-efficiency curves, Hénaff et al., "Data-efficient image recognition
    with contrastive predictive coding", ICML 2020, figure 1.
    """

    metrics: ClassVar[tuple[str, ...]] = tuple(f"top1@{p:g}%" for p in PERCENTS)
    protocol: ClassVar[str] = "fast"
    percents: tuple[float, ...] = PERCENTS
    draws: int = 3

    def __post_init__(self) -> None:
        if not self.percents or len(set(self.percents)) != len(self.percents):
            raise UserError(f"percents is {list(self.percents)}", "Give at least one share, each once: [1, 10, 100].")
        for percent in self.percents:
            check_range("percents", percent, 1e-3, 100)
        check_range("draws", self.draws, 1)

    def measures(self) -> tuple[str, ...]:
        return tuple(f"top1@{p:g}%" for p in self.percents)

    def __call__(self, train: Features, test: Features) -> list[Metric]:
        classes = class_count(train.labels, test.labels)
        found = []
        for layer in train.layers:
            x, again = train.layers[layer], test.layers[layer]
            for percent, name in zip(self.percents, self.measures(), strict=True):
                draws = self.draws if percent < 100 else 1
                chosen = [stratified(train.labels, percent / 100, draw) for draw in range(draws)]
                right = torch.stack([self._right(x, again, train.labels, test.labels, i, classes) for i in chosen])
                share = right.double().mean(0)
                found.append(Metric(layer, name, 100 * share.mean().item(), *bootstrap(share)))
        return found

    def _right(self, x: Tensor, again: Tensor, labels: Tensor, truth: Tensor, some: Tensor, classes: int) -> Tensor:
        fitted, judged = standardised(x[some], again)
        _, found = Linear().fit(fitted, labels[some], classes)
        return found.scores(judged)[0].argmax(1).eq(truth)


def stratified(labels: Tensor, share: float, draw: int) -> Tensor:
    """Which images keep their labels: that share of each class, rounded, and one at least; in rising order."""
    order = rng.permutation(draw, "probe/low_label", len(labels)).to(labels.device)
    kept = []
    for label in labels.unique():
        mine = order[labels[order] == label]
        kept.append(mine[: max(1, round(share * len(mine)))])
    return torch.cat(kept).sort().values
