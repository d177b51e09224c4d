"""Cluster probe: whether the classes lie apart without any label."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from torch import Tensor

from augstudy.core.build import check_range
from augstudy.evaluate.features import Features
from augstudy.evaluate.probes.base import FeatureProbe, Metric, top1
from augstudy.evaluate.scores import class_count, standardised
from augstudy.learn.kmeans import assign, kmeans

__all__ = ["Cluster"]


@dataclass(frozen=True)
class Cluster(FeatureProbe):
    """K-means on standardised training features reduced by PCA; a test image belongs to the nearest centroid.

    Measures on the test images: `top1` after the one-to-one naming of clusters that is best there (the Hungarian
    method; the only use of labels), `nmi` and `ari` (normalised mutual information and adjusted Rand index).

    Args:
        clusters: 0 takes as many as there are classes; with more, those that no class is matched with count as wrong.
        dims: principal axes kept, whitened.
        iterations: Lloyd steps.
        restarts: of k-means; the one with the least squared distance is taken.

    Source: Kuhn, "The Hungarian method for the assignment problem", 1955; Hubert and Arabie, "Comparing partitions",
    1985; whitened principal axes before k-means as in Caron et al., ECCV 2018.
    """

    metrics: ClassVar[tuple[str, ...]] = ("top1", "nmi", "ari")
    clusters: int = 0
    dims: int = 64
    iterations: int = 50
    restarts: int = 3

    def __post_init__(self) -> None:
        check_range("clusters", self.clusters, 0)
        for name in ("dims", "iterations", "restarts"):
            check_range(name, getattr(self, name), 1)

    def __call__(self, train: Features, test: Features) -> list[Metric]:
        classes = class_count(train.labels, test.labels)
        found = []
        for layer in train.layers:
            x, again = standardised(train.layers[layer], test.layers[layer])
            clusters = self._clusters(x, again, self.clusters or classes).cpu()
            truth = test.labels.cpu()
            named = best_names(clusters, truth, max(classes, int(clusters.max()) + 1))
            found += [
                top1(layer, named[clusters], truth),
                Metric(layer, "nmi", float(normalized_mutual_info_score(truth, clusters))),
                Metric(layer, "ari", float(adjusted_rand_score(truth, clusters))),
            ]
        return found

    def _clusters(self, x: Tensor, again: Tensor, count: int) -> Tensor:
        """The cluster of every test image."""
        axes = principal(x, self.dims)
        x, again = x @ axes, again @ axes
        tries = [
            kmeans(x, count, self.iterations, seed, "probe/cluster", "k-means++")[1] for seed in range(self.restarts)
        ]
        costs = [float(assign(x, centroids)[1].sum()) for centroids in tries]
        return assign(again, tries[costs.index(min(costs))])[0]


def principal(x: Tensor, dims: int) -> Tensor:
    """(N, D) centred -> (D, dims): the leading principal axes, each scaled to give unit variance, or 0 without any."""
    variance, axes = torch.linalg.eigh((x.T @ x).double() / len(x))  # ascending
    variance, axes = variance.flip(0)[:dims], axes.flip(1)[:, :dims]
    scale = torch.where(variance > 1e-6 * variance[0], variance.clamp(min=1e-30).rsqrt(), 0.0)
    return (axes * scale).to(x.dtype)


def best_names(clusters: Tensor, labels: Tensor, count: int) -> Tensor:
    """Cluster -> class, one to one, so that most images are right: (count,) int64."""
    table = torch.zeros(count, count, dtype=torch.long)
    table.index_put_((clusters, labels), torch.ones_like(labels), accumulate=True)
    _, names = linear_sum_assignment(table.numpy(), maximize=True)
    return torch.from_numpy(names)
