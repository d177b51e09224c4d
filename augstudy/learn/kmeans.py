"""K-means and the whitening before it, in torch, on whatever device the features are, in bounded memory."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from augstudy.core import rng
from augstudy.core.build import check_choice

__all__ = ["SEEDINGS", "assign", "kmeans", "pca_whiten"]

BUDGET = 1 << 29  # bytes of scratch (512 MiB), besides the features themselves
ROWS = 16384  # distances of more rows at a time are no faster
SEEDINGS = ("random", "k-means++")


def pca_whiten(x: Tensor, dims: int, budget: int = BUDGET) -> Tensor:
    """Project on the leading principal axes and give each unit variance: (N, D) -> (N, min(dims, D)).

    `x` is overwritten: the result lies at the front of its memory, for a second copy of the features of 1.28 million
    crops need not fit. Sums are in double precision, over as many rows at a time as `budget` bytes hold. Axes without
    variance stay at 0 instead of blowing up noise.

    Args:
        x: contiguous.
        dims: axes to keep.
        budget: bytes of scratch.
    """
    mean, parts = x.mean(0), x.split(max(1, budget // (8 * x.shape[1])))
    squares = torch.zeros(x.shape[1], x.shape[1], dtype=torch.double, device=x.device)
    for part in parts:
        centred = (part - mean).double()
        squares += centred.T @ centred
    variance, axes = torch.linalg.eigh(squares / max(1, len(x) - 1))  # ascending
    variance, axes = variance.flip(0)[:dims], axes.flip(1)[:, :dims]
    scale = torch.where(variance > 1e-10 * variance[0].clamp(min=1e-30), variance.clamp(min=1e-30).rsqrt(), 0.0)
    memory, done = x.view(-1), 0
    for part in parts:  # what is written never reaches beyond what has been read, for rows only become shorter
        projected = ((part - mean).double() @ (axes * scale)).float().view(-1)
        memory[done : done + len(projected)] = projected
        done += len(projected)
    return memory[:done].view(len(x), -1)


def assign(x: Tensor, centroids: Tensor, budget: int = BUDGET) -> tuple[Tensor, Tensor]:
    """Nearest centroid of each row and its squared distance: (N, D), (K, D) -> (N,) int64, (N,).

    The table of distances is made for as many rows at a time as `budget` bytes hold, never all at once: 1.28 million
    rows against 10,000 centroids would be 51 GB.
    """
    half = centroids.square().sum(1) / 2
    nearest, distance = [], []
    for part in x.split(max(1, min(ROWS, budget // (4 * len(centroids))))):
        score, index = (part @ centroids.T - half).max(1)
        nearest.append(index)
        distance.append((part.square().sum(1) - 2 * score).clamp(min=0))
    return torch.cat(nearest), torch.cat(distance)


def kmeans(
    x: Tensor,
    clusters: int,
    iterations: int,
    seed: int,
    stream: str,
    seeding: str = "random",
    spherical: bool = False,
    budget: int = BUDGET,
) -> tuple[Tensor, Tensor, int]:
    """Lloyd's algorithm; a cluster left empty takes the point worst served so far.

    Args:
        x: (N, D) features.
        clusters: K; of more than N, only N can be filled.
        iterations: Lloyd steps.
        seed, stream: key the starting points.
        seeding: "random" points, or "k-means++" (see `spread`), which takes K passes over the features.
        spherical: scale centroids to length 1, for features of length 1 (Dhillon and Modha, 2001).
        budget: bytes of scratch.

    Returns:
        labels (N,) int64, centroids (K, D), and how many empty clusters were re-seeded on the way.
    """
    check_choice("seeding", seeding, SEEDINGS)
    clusters = min(clusters, len(x))
    start = spread(x, clusters, seed, stream) if seeding == "k-means++" else rng.permutation(seed, stream, len(x))
    centroids = x[start[:clusters].to(x.device)].clone()
    reseeded = 0
    labels, distance = assign(x, centroids, budget)
    for _ in range(iterations):
        counts = torch.bincount(labels, minlength=clusters)
        sums = torch.zeros_like(centroids).index_add_(0, labels, x)
        centroids = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp(min=1), centroids)
        empty = (counts == 0).nonzero()[:, 0]
        if len(empty):
            centroids[empty] = x[distance.topk(len(empty)).indices]
            reseeded += len(empty)
        if spherical:
            centroids = normalize(centroids, dim=1)
        labels, distance = assign(x, centroids, budget)
    return labels, centroids, reseeded


def spread(x: Tensor, clusters: int, seed: int, stream: str) -> Tensor:
    """K-means++ starts: each next point is drawn in proportion to its squared distance from those drawn: (K,) int64.

    Source: Arthur and Vassilvitskii, SODA 2007.
    """
    chance = rng.uniform(seed, f"{stream}/++", torch.arange(clusters), 1)[:, 0].double().to(x.device)
    chosen = [(chance[:1] * len(x)).long()]
    distance = torch.full((len(x),), float("inf"), device=x.device)
    for u in chance[1:].split(1):
        distance = distance.minimum(assign(x, x[chosen[-1]])[1])
        distance[chosen[-1]] = 0  # rounding must not draw a point twice
        ladder = distance.double().cumsum(0)
        chosen.append(torch.searchsorted(ladder, u * ladder[-1], right=True).clamp(max=len(x) - 1))
    return torch.cat(chosen)
