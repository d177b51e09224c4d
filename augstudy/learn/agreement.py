"""How far two labellings of the same crops agree, beside what chance gives."""

from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

from augstudy.core import rng
from augstudy.learn.methods.base import Diagnostic

__all__ = ["nmi"]


def nmi(metric: str, clusters: Tensor, other: Tensor, seed: int) -> Diagnostic:
    """Normalised mutual information of two labellings (N,), in [0, 1]; chance is that with the second one shuffled.

    With thousands of clusters chance is far from 0, so the value alone would tell little.
    """
    clusters, other = clusters.cpu(), other.cpu()
    shuffled = other[rng.permutation(seed, "deepcluster/nmi", len(other))]
    value, chance = (float(normalized_mutual_info_score(clusters, o)) for o in (other, shuffled))
    return Diagnostic(metric, value, chance)
