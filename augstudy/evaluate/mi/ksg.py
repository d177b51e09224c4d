"""KSG: mutual information from distances to nearest neighbours, without a critic."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import digamma, stdtrit
from torch import Tensor

from augstudy.core.build import check_range
from augstudy.evaluate.mi.base import EMBEDDING, Estimator, Pairs
from augstudy.evaluate.probes.base import Metric

__all__ = ["KSG"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class KSG(Estimator):
    """The first estimator of Kraskov et al., in nats, on the first principal components of each side.

    Args:
        dims: components of each side; neighbours tell less and less in more dimensions, while fewer hold less of the
            information.
        neighbours: k.
        limit: use at most this many pairs.
        blocks: the interval comes from the spread over so many disjoint parts of the pairs, whose variance falls with
            their size (Holmes, Nemenman, Phys. Rev. E 2019); a bootstrap would hold repeats, at distance 0.

    It cannot exceed psi(N) - psi(k), which is what identical sides give, and errs low as it comes near.

    Source: Kraskov, Stögbauer, Grassberger, Phys. Rev. E 69, 2004, eq. 8.
    """

    dims: int = 4
    neighbours: int = 3
    limit: int = 5000
    blocks: int = 10

    def __post_init__(self) -> None:
        check_range("dims", self.dims, 1, 64)
        check_range("neighbours", self.neighbours, 1)
        check_range("blocks", self.blocks, 2)
        check_range("limit", self.limit, self.least)

    @property
    def least(self) -> int:
        return self.blocks * (self.neighbours + 2)

    def __call__(self, pairs: Pairs) -> list[Metric]:
        some = pairs.parted(0.5)[0] if len(pairs) > 2 * self.limit else pairs
        x, y = (components(side[: self.limit], self.dims) for side in (some.first, some.second))
        value = kraskov(x, y, self.neighbours)
        parts = [kraskov(x[i :: self.blocks], y[i :: self.blocks], self.neighbours) for i in range(self.blocks)]
        half = stdtrit(self.blocks - 1, 0.975) * np.std(parts, ddof=1) / math.sqrt(self.blocks)
        ceiling = float(digamma(len(x)) - digamma(self.neighbours))
        return [
            Metric(EMBEDDING, "nats", value, value - float(half), value + float(half)),
            Metric(EMBEDDING, "ceiling", ceiling),
        ]


def components(x: Tensor, dims: int) -> Array:
    """The first principal components, each of variance 1: (N, D) -> (N, dims), fewer where the data have fewer."""
    centred = x.double() - x.double().mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(x))
    kept = [i for i in range(len(values) - 1, -1, -1) if values[i] > 1e-10 * values[-1].clamp(min=1e-30)][:dims]
    found: Array = (centred @ vectors[:, kept] / values[kept].sqrt()).cpu().numpy()
    return found if found.shape[1] else np.zeros((len(x), 1))


def kraskov(x: Array, y: Array, neighbours: int) -> float:
    """psi(k) + psi(N) - <psi(n_x + 1) + psi(n_y + 1)>, distances in the maximum norm: (N, d), (N, d') -> nats."""
    joint = cKDTree(np.concatenate((x, y), 1))
    radius = joint.query(joint.data, neighbours + 1, p=np.inf)[0][:, -1]  # the nearest is the point itself
    closer = np.nextafter(radius, 0)  # strictly within
    counts: list[Any] = [cKDTree(s).query_ball_point(s, closer, p=np.inf, return_length=True) for s in (x, y)]
    both = sum(digamma(np.maximum(count, 1)) for count in counts)  # the point itself is the + 1
    return float(digamma(neighbours) + digamma(len(x)) - np.mean(both))
