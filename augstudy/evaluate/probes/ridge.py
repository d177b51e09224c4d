"""Ridge probe: a linear classifier of each frozen layer in closed form."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, cholesky_solve
from torch.linalg import cholesky
from torch.nn.functional import one_hot

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.core.errors import UserError
from augstudy.evaluate.features import Features
from augstudy.evaluate.probes.base import FeatureProbe, Metric, top1
from augstudy.evaluate.scores import accuracy, class_count, standardised

__all__ = ["Ridge"]


@dataclass(frozen=True)
class Ridge(FeatureProbe):
    """Linear least squares: ridge regression on one-hot labels over standardised features, in closed form.

    The penalty is the one with the best top-1 on a held-out part of the
    training images (of equals, the largest); then the classifier is fitted on all of them.

    Args:
        penalties: candidates, each times the number of training images.
        held_out: share of the training images that choose the penalty.

    Source: least-squares classification, Hastie, Tibshirani, Friedman, 2009, section 4.2; held-out choice of the
    penalty as in Zhai et al., "A large-scale study of representation learning", 2019.
    """

    metrics: ClassVar[tuple[str, ...]] = ("top1", "penalty")
    penalties: tuple[float, ...] = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 10.0)
    held_out: float = 0.1

    def __post_init__(self) -> None:
        check_range("held_out", self.held_out, 0.01, 0.5)
        if not self.penalties:
            raise UserError("penalties is empty", "Give at least one positive number.")
        for penalty in self.penalties:
            check_range("penalties", penalty, 1e-12)

    def __call__(self, train: Features, test: Features) -> list[Metric]:
        classes = class_count(train.labels, test.labels)
        order = rng.permutation(0, "probe/held_out", len(train.labels)).to(train.labels.device)
        metrics = []
        for layer in train.layers:
            x, again = standardised(train.layers[layer], test.layers[layer])
            penalty = self._choose(x[order], train.labels[order], classes)
            weights, biases = ridge(x, targets(train.labels, classes), [penalty * len(x)])
            guess = (again @ weights[0] + biases[0]).argmax(1)
            metrics += [top1(layer, guess, test.labels), Metric(layer, "penalty", penalty)]
        return metrics

    def _choose(self, x: Tensor, labels: Tensor, classes: int) -> float:
        """The best penalty on the first `held_out` part, fitted on the rest."""
        cut = max(1, int(self.held_out * len(x)))
        fit, judge = x[cut:], x[:cut]
        candidates = sorted(self.penalties, reverse=True)
        weights, biases = ridge(fit, targets(labels[cut:], classes), [p * len(fit) for p in candidates])
        scores = [accuracy(judge @ w + b, labels[:cut]) for w, b in zip(weights, biases, strict=True)]
        return candidates[scores.index(max(scores))]


def targets(labels: Tensor, classes: int) -> Tensor:
    """(N,) -> (N, classes) one-hot, float."""
    return one_hot(labels, classes).float()


def ridge(x: Tensor, y: Tensor, penalties: list[float]) -> tuple[Tensor, Tensor]:
    """Weights (P, D, C) and biases (P, C) that minimise |x w + b - y|^2 + penalty |w|^2, for each penalty."""
    centre, mean = x.mean(0), y.mean(0)
    x, y = x - centre, y - mean
    try:
        weights = solve(x.T @ x, x.T @ y, penalties)
    except RuntimeError:  # single precision is too rough for features that all but repeat each other
        x = x.double()
        weights = solve(x.T @ x, x.T @ y.double(), penalties)
    return weights, mean - centre @ weights


def solve(gram: Tensor, onto: Tensor, penalties: list[float]) -> Tensor:
    """(D, D), (D, C) -> (P, D, C): the solution for each penalty."""
    gram, onto = gram.double(), onto.double()
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    return torch.stack([cholesky_solve(onto, cholesky(gram + p * eye)) for p in penalties]).float()
