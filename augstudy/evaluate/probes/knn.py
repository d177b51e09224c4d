"""Weighted nearest neighbours: how near images of one class lie in each frozen layer."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from augstudy.core.build import check_range
from augstudy.evaluate.features import Features
from augstudy.evaluate.probes.base import Metric, Probe
from augstudy.evaluate.probes.linear import standardised

__all__ = ["KNN"]


@dataclass(frozen=True)
class KNN(Probe):
    """Vote of the k training images with the largest cosine, each weighted by exp(cosine / temperature).

    Args:
        k: neighbours; of fewer training images, all vote.
        temperature: of the weights.

    Source: Wu et al., CVPR 2018, section 3.4.
    """

    k: int = 20
    temperature: float = 0.1

    def __post_init__(self) -> None:
        check_range("k", self.k, 1)
        check_range("temperature", self.temperature, 1e-3)

    def __call__(self, train: Features, test: Features) -> list[Metric]:
        classes = int(max(train.labels.max(), test.labels.max())) + 1
        return [Metric(layer, "top1", self._top1(layer, train, test, classes)) for layer in train.layers]

    def _top1(self, layer: str, train: Features, test: Features, classes: int) -> float:
        bank, queries = (normalize(x, dim=1) for x in standardised(train.layers[layer], test.layers[layer]))
        right = 0
        for some, labels in zip(queries.split(1024), test.labels.split(1024), strict=True):
            right += int(self._vote(some, bank, train.labels, classes).eq(labels).sum())
        return 100 * right / len(test.labels)

    def _vote(self, queries: Tensor, bank: Tensor, labels: Tensor, classes: int) -> Tensor:  # (B, D) -> (B,)
        cosine, index = (queries @ bank.T).topk(min(self.k, len(bank)))  # (B, k)
        weights = ((cosine - cosine[:, :1]) / self.temperature).exp()  # against the nearest, lest exp overflow
        votes = torch.zeros(len(queries), classes, device=queries.device)
        return votes.scatter_add_(1, labels[index], weights).argmax(1)
