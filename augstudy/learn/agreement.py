"""How far the clusters of an epoch agree with those before and with the labels, beside what chance gives."""

import torch
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor, nn

from augstudy.core import rng
from augstudy.data.corpus import Source
from augstudy.learn.methods.base import Context, Diagnostic

__all__ = ["Agreement", "largest", "matched", "nmi"]


class Agreement(nn.Module):
    """What clusters of a source's crops are compared with; saved with the training, so that a resume knows it too."""

    previous: Tensor  # (N,) clusters of the epoch before, -1 before there was one
    truth: Tensor  # (N,) labels, or (0,) of a source that has none

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.seed = context.seed
        self.register_buffer("previous", torch.full((context.count,), -1))
        self.register_buffer("truth", torch.full((context.count if context.classes else 0,), -1))

    def remember(self, clusters: Tensor, source: Source) -> None:
        """Before new clusters take the place of these."""
        self.previous.copy_(clusters)
        if len(self.truth) and (truth := source.labels(torch.arange(len(source)))) is not None:
            self.truth.copy_(truth)

    def diagnostics(self, clusters: Tensor) -> list[Diagnostic]:
        """Of clusters (N,): NMI with each thing that there is to compare them with."""
        found = []
        if self.previous[0] >= 0:
            found.append(nmi("NMI with the epoch before", clusters, self.previous, self.seed))
        if len(self.truth):
            found.append(nmi("NMI with the labels", clusters, self.truth, self.seed))
        return found


def matched(metric: str, first: Tensor, second: Tensor) -> Diagnostic:
    """Per cent of crops whose two views have the same cluster, (B,) each; chance is that of views of two crops."""
    same, chance = (100 * first.eq(other).float().mean().item() for other in (second, second.roll(1)))
    return Diagnostic(metric, same, chance, unit="%")


def largest(clusters: Tensor, count: int) -> Diagnostic:
    """Share of the largest of `count` clusters: near 100 % where the network has put all crops in one."""
    share = 100 * clusters.bincount().max().item() / len(clusters)
    return Diagnostic("largest cluster", share, 100 / count, "lower", "%")


def nmi(metric: str, clusters: Tensor, other: Tensor, seed: int) -> Diagnostic:
    """Normalised mutual information of two labellings (N,), in [0, 1]; chance is that with the second one shuffled.

    With thousands of clusters chance is far from 0, so the value alone would tell little.
    """
    clusters, other = clusters.cpu(), other.cpu()
    shuffled = other[rng.permutation(seed, "deepcluster/nmi", len(other))]
    value, chance = (float(normalized_mutual_info_score(clusters, o)) for o in (other, shuffled))
    return Diagnostic(metric, value, chance)
