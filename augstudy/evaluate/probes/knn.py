"""Weighted nearest neighbours: how near images of one class lie in each frozen layer."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from augstudy.core.build import check_range
from augstudy.evaluate.features import Features
from augstudy.evaluate.probes.base import FeatureProbe, Metric, top1
from augstudy.evaluate.scores import class_count, standardised

__all__ = ["KNN"]


@dataclass(frozen=True)
class KNN(FeatureProbe):
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
        classes = class_count(train.labels, test.labels)
        found = []
        for layer in train.layers:
            bank, queries = standardised(train.layers[layer], test.layers[layer])
            found.append(top1(layer, self.guess(bank, queries, train.labels, classes), test.labels))
        return found

    def guess(self, bank: Tensor, queries: Tensor, labels: Tensor, classes: int) -> Tensor:
        """The class that wins the vote: standardised features (M, D) and (N, D), labels (M,) -> (N,)."""
        bank, queries = normalize(bank, dim=1), normalize(queries, dim=1)
        return torch.cat([self._vote(some, bank, labels, classes) for some in queries.split(1024)])

    def _vote(self, queries: Tensor, bank: Tensor, labels: Tensor, classes: int) -> Tensor:  # (B, D) -> (B,)
        cosine, index = (queries @ bank.T).topk(min(self.k, len(bank)))  # (B, k)
        weights = ((cosine - cosine[:, :1]) / self.temperature).exp()  # against the nearest, lest exp overflow
        votes = torch.zeros(len(queries), classes, device=queries.device)
        return votes.scatter_add_(1, labels[index], weights).argmax(1)
