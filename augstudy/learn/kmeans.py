"""K-means and the whitening before it, in torch, on whatever device the features are."""

import torch
from torch import Tensor

from augstudy.core import rng

__all__ = ["assign", "kmeans", "pca_whiten"]


def pca_whiten(x: Tensor, dims: int) -> Tensor:
    """Project on the leading principal axes and give each unit variance: (N, D) -> (N, min(dims, D)).

    Axes without variance stay at 0 instead of blowing up noise.
    """
    x = (x - x.mean(0)).double()
    variance, axes = torch.linalg.eigh(x.T @ x / max(1, len(x) - 1))  # ascending
    variance, axes = variance.flip(0)[:dims], axes.flip(1)[:, :dims]
    scale = torch.where(variance > 1e-10 * variance[0].clamp(min=1e-30), variance.clamp(min=1e-30).rsqrt(), 0.0)
    return (x @ (axes * scale)).float()


def assign(x: Tensor, centroids: Tensor, chunk: int = 16384) -> tuple[Tensor, Tensor]:
    """Nearest centroid of each row and its squared distance: (N, D), (K, D) -> (N,) int64, (N,)."""
    half = centroids.square().sum(1) / 2
    nearest, distance = [], []
    for part in x.split(chunk):
        score, index = (part @ centroids.T - half).max(1)
        nearest.append(index)
        distance.append((part.square().sum(1) - 2 * score).clamp(min=0))
    return torch.cat(nearest), torch.cat(distance)


def kmeans(x: Tensor, clusters: int, iterations: int, seed: int, stream: str) -> tuple[Tensor, Tensor, int]:
    """Lloyd's algorithm from random points; a cluster left empty takes the point worst served so far.

    Args:
        x: (N, D) features.
        clusters: K; of more than N, only N can be filled.
        iterations: Lloyd steps.
        seed, stream: key the starting points.

    Returns:
        labels (N,) int64, centroids (K, D), and how many empty clusters were re-seeded on the way.
    """
    clusters = min(clusters, len(x))
    start = rng.permutation(seed, stream, len(x))[:clusters]
    centroids = x[start.to(x.device)].clone()
    reseeded = 0
    labels, distance = assign(x, centroids)
    for _ in range(iterations):
        counts = torch.bincount(labels, minlength=clusters)
        sums = torch.zeros_like(centroids).index_add_(0, labels, x)
        centroids = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp(min=1), centroids)
        empty = (counts == 0).nonzero()[:, 0]
        if len(empty):
            centroids[empty] = x[distance.topk(len(empty)).indices]
            reseeded += len(empty)
        labels, distance = assign(x, centroids)
    return labels, centroids, reseeded
