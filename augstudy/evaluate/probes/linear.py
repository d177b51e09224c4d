"""Linear probe, the fast protocol: how well a linear classifier reads the labels off each frozen layer."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.core.errors import UserError
from augstudy.evaluate.features import Features
from augstudy.evaluate.logistic import Solution, logistic
from augstudy.evaluate.probes.base import FeatureProbe, Metric, top1
from augstudy.evaluate.scores import accuracy, class_count, standardised

__all__ = ["Linear"]


@dataclass(frozen=True)
class Linear(FeatureProbe):
    """Multinomial logistic regression on standardised pooled features, all penalties at once.

    The penalty is the one with the best top-1 on a held-out part of the training images (of equals, the largest);
    then the classifier is fitted on all of them, from what was found without that part. `constant` is the share of
    features, in per cent, that are the same for all training images and so left out.

    Args:
        penalties: candidates; the loss is the mean cross-entropy + penalty / 2 |weights|^2.
        held_out: share of the training images that choose the penalty.
        steps: of L-BFGS, at most.
        tolerance: of the solver, see `logistic`; 3e-5 moves top-1 by about 0.1 points, at 1e-4 by up to 0.4.

    Source: the held-out choice of the penalty of an L-BFGS fit is that of Kornblith et al., "Do better ImageNet models
    transfer better?", CVPR 2019, appendix A.
    """

    metrics: ClassVar[tuple[str, ...]] = ("top1", "penalty", "constant")
    protocol: ClassVar[str] = "fast"
    penalties: tuple[float, ...] = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 1.0)
    held_out: float = 0.1
    steps: int = 100
    tolerance: float = 3e-5

    def __post_init__(self) -> None:
        check_range("held_out", self.held_out, 0.01, 0.5)
        check_range("steps", self.steps, 1)
        check_range("tolerance", self.tolerance, 1e-9)
        if not self.penalties:
            raise UserError("penalties is empty", "Give at least one positive number.")
        for penalty in self.penalties:
            check_range("penalties", penalty, 1e-8)

    def __call__(self, train: Features, test: Features) -> list[Metric]:
        classes = class_count(train.labels, test.labels)
        metrics = []
        for layer in train.layers:
            x, again = standardised(train.layers[layer], test.layers[layer])
            penalty, found = self.fit(x, train.labels, classes)
            metrics += [top1(layer, found.scores(again)[0].argmax(1), test.labels), Metric(layer, "penalty", penalty)]
            metrics.append(Metric(layer, "constant", 100 * x.eq(0).all(0).double().mean().item()))
        return metrics

    def fit(self, x: Tensor, labels: Tensor, classes: int) -> tuple[float, Solution]:
        """The penalty chosen, and the classifier of all images at this penalty: (N, D), (N,) -> the two."""
        candidates = sorted(self.penalties, reverse=True)
        if len(candidates) == 1 or len(x) < 2:
            return candidates[0], self._solve(x, labels, classes, candidates[:1])
        order = rng.permutation(0, "probe/held_out", len(labels)).to(labels.device)
        judged, fitted = order.tensor_split([max(1, int(self.held_out * len(x)))])
        tried = self._solve(x[fitted], labels[fitted], classes, candidates)
        scores = [accuracy(found, labels[judged]) for found in tried.scores(x[judged])]
        best = scores.index(max(scores))
        return candidates[best], self._solve(x, labels, classes, candidates[best : best + 1], tried.only(best))

    def _solve(
        self, x: Tensor, labels: Tensor, classes: int, penalties: list[float], start: Solution | None = None
    ) -> Solution:
        return logistic(x, labels, classes, penalties, self.steps, self.tolerance, start)
