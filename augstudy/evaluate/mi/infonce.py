"""InfoNCE: how much better than chance a side finds its other among K, on pairs that nothing was fitted to."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from augstudy.core.build import check_range
from augstudy.core.errors import UserError
from augstudy.evaluate.critic import Bilinear, fitted
from augstudy.evaluate.mi.base import EMBEDDING, Estimator, Pairs, bootstrap, standard
from augstudy.evaluate.probes.base import Metric

__all__ = ["InfoNCE"]


@dataclass(frozen=True)
class InfoNCE(Estimator):
    """log K - L_NCE in nats, a lower bound of the information that never exceeds log K, with two critics.

    `nats` is of the critic that was trained: the cosine of the heads' vectors at the training's temperature. `nats
    (bilinear)` is of a critic refitted to the embeddings on a part of the pairs, for the head may throw away what the
    embeddings still hold. Both are judged on the other part.

    Args:
        k: K, candidates of which one is the other side; they are the sides of K pairs drawn once.
        fit: share of the pairs that the bilinear critic is fitted to.
        rank, steps, batch: of the bilinear critic and its fitting.

    The interval is a bootstrap over the terms of the loss, the candidates of each left as they were: drawn anew they
    would hold repeats, which no critic can tell apart.

    Source: van den Oord, Li, Vinyals, 2018, eq. 5; Poole et al., ICML 2019, eq. 10; used so by Tian et al. (InfoMin).
    """

    k: int = 1024
    fit: float = 0.5
    rank: int = 64
    steps: int = 200
    batch: int = 256

    def __post_init__(self) -> None:
        check_range("k", self.k, 2)
        check_range("fit", self.fit, 0.1, 0.9)
        check_range("rank", self.rank, 1)
        check_range("steps", self.steps, 1)
        check_range("batch", self.batch, 2)

    @property
    def least(self) -> int:
        return max(math.ceil(self.k / (1 - self.fit)) + 1, math.ceil(4 / self.fit))

    def __call__(self, pairs: Pairs) -> list[Metric]:
        fit, judge = pairs.parted(self.fit)
        if len(judge) < self.k:
            what = f"k {self.k} is more than the {len(judge)} pairs to judge on"
            raise UserError(what, f"Set mi.pairs to {self.least} or more, or k to less.")
        return [
            self._metric("nats", self._cosine_terms(judge)),
            self._metric("nats (bilinear)", self._bilinear_terms(fit, judge)),
            Metric(EMBEDDING, "ceiling", math.log(self.k)),
        ]

    def _metric(self, name: str, losses: Tensor) -> Metric:
        low, high = bootstrap(losses)
        ceiling = math.log(self.k)
        return Metric(EMBEDDING, name, ceiling - losses.double().mean().item(), ceiling - high, ceiling - low)

    def _cosine_terms(self, pairs: Pairs) -> Tensor:
        first, second = pairs.heads or (normalize(pairs.first, dim=1), normalize(pairs.second, dim=1))
        return self._losses(first, second, lambda x, y: x @ y.T / pairs.temperature)

    def _bilinear_terms(self, fit: Pairs, judge: Pairs) -> Tensor:
        x, first = standard(fit.first, judge.first)
        y, second = standard(fit.second, judge.second)
        critic = fitted(lambda: Bilinear(x.shape[1], y.shape[1], self.rank), x, y, both_ways, self.steps, self.batch)
        return self._losses(first, second, critic)

    def _losses(self, first: Tensor, second: Tensor, critic: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """-log softmax of the true other among K, of each side of all whole groups of K pairs."""
        found = []
        for start in range(0, len(first) - self.k + 1, self.k):
            group = slice(start, start + self.k)
            scores = critic(first[group], second[group])
            found.append(both_ways(scores, "none"))
        return torch.cat(found)


def both_ways(scores: Tensor, reduction: str = "mean") -> Tensor:
    """Cross-entropy of finding the second side of each pair and the first, averaged: (K, K) -> () or (K,)."""
    truth = torch.arange(len(scores), device=scores.device)
    there, back = (cross_entropy(s, truth, reduction=reduction) for s in (scores, scores.T))
    return (there + back) / 2
