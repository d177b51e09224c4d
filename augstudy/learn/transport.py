"""Optimal transport of samples to clusters: every sample gives 1/N, every cluster takes 1/K (Sinkhorn-Knopp)."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Blocks", "Plan", "codes", "hard", "in_blocks", "transport"]

# The (N, K) table of scores in double precision, some rows at a time; each call begins anew. 1.28 million rows and
# 3,000 clusters would be 31 GB, so nothing here holds more than a block and some vectors of length N and K.
Blocks = Callable[[], Iterable[Tensor]]

BUDGET = 1 << 29  # bytes of a table (512 MiB), above which its blocks are made anew for each pass
COPIES = 4  # of a block that are held at a time

LEAST = 1e-300  # what a cluster takes at least, so that its logarithm can be taken; it then grows by the round


def in_blocks(x: Tensor, scores: Callable[[Tensor], Tensor], clusters: int, budget: int = BUDGET) -> Blocks:
    """The table `scores(x)` in blocks of at most `budget` bytes with all that is made of them, held if it fits whole.

    Args:
        x: (N, D) features.
        scores: (b, D) -> (b, K).
    """
    parts = x.split(max(1, budget // (8 * clusters * COPIES)))

    def made() -> Iterable[Tensor]:
        return (scores(part).double() for part in parts)

    if 8 * clusters * len(x) > budget:
        return made
    held = list(made())
    return lambda: held


@torch.no_grad()
def codes(scores: Tensor, epsilon: float, iterations: int) -> Tensor:
    """Soft assignments of a batch, each row a distribution over prototypes: (N, K) -> (N, K) float32.

    Logarithms are carried, so nothing overflows: lightly's `sinkhorn` takes exp(scores / epsilon) as it is, and cosines
    overflow there in half precision.

    Args:
        scores: of all processes, and of the queue if there is one.
        epsilon: smoothness; towards 0 assignments become hard.
        iterations: of normalising prototypes, then samples; the samples' sums are exact, the prototypes' nearly so.

    Source: Caron et al. (SwAV), NeurIPS 2020, section 3.1.
    """
    logs = scores.float() / epsilon
    for _ in range(iterations):
        logs = logs - logs.logsumexp(0)
        logs = logs - logs.logsumexp(1, keepdim=True)
    return logs.exp()


@dataclass(frozen=True)
class Plan:
    """The solution, exp(scores + rows[:, None] + columns).

    Args:
        rows: (N,) float64.
        columns: (K,) float64; clusters take exactly 1/K.
        error: the largest relative deviation of what a sample gives from 1/N.
        rounds: that it took.
    """

    rows: Tensor
    columns: Tensor
    error: float
    rounds: int


@torch.no_grad()
def transport(blocks: Blocks, count: int, clusters: int, tolerance: float = 1e-6, rounds: int = 1000) -> Plan:
    """The plan that is largest in sum(plan x scores) + entropy, its marginals uniform.

    Args:
        blocks: scores, of all samples; several processes solve the same problem each.
        count: N.
        clusters: K.
        tolerance: of the samples' marginals, relative to 1/N.
        rounds: at most so many passes over the scores.

    Source: Cuturi, NeurIPS 2013, with both scalings as logarithms; Asano, Rupprecht, Vedaldi (SeLa), ICLR 2020,
    section 3.2, where scores are lambda log p.
    """
    rows, columns, error = None, None, math.inf
    for done in range(rounds):
        parts, taken = [], None
        for block in blocks():
            columns = block.new_zeros(clusters) if columns is None else columns
            top = (moved := block + columns).amax(1, keepdim=True)
            weights = moved.sub_(top).exp_()  # (b, K)
            each = weights.sum(1)
            parts.append(-(top[:, 0] + each.log() + math.log(count)))
            share = weights.T @ (1 / (count * each))  # what clusters take of these samples, (K,)
            taken = share if taken is None else taken + share
        assert columns is not None
        assert taken is not None
        new = torch.cat(parts)
        if rows is not None:
            error = (rows - new).expm1().abs().max().item()  # rows and columns give exp(rows - new) / N
            if error <= tolerance:
                return Plan(rows, columns, error, done)
        rows, columns = new, columns - (clusters * taken.clamp(min=LEAST)).log()
    assert rows is not None
    assert columns is not None
    return Plan(rows, columns, error, rounds)


@torch.no_grad()
def hard(blocks: Blocks, plan: Plan) -> tuple[Tensor, int]:
    """Each sample's largest share, and no cluster left empty while another has two samples.

    A cluster that no sample gives most to takes, of those which are not alone in theirs, the one that gives it most.

    Returns:
        labels (N,) int64, and how many clusters had to be filled.
    """
    labels = torch.cat([(block + plan.columns).argmax(1) for block in blocks()])
    counts = labels.bincount(minlength=len(plan.columns))
    filled = 0
    for cluster in (counts == 0).nonzero()[:, 0].tolist():
        crowded = counts[labels] > 1
        if not crowded.any():
            break
        given = torch.cat([block[:, cluster].clone() for block in blocks()]) + plan.rows  # a view would keep its block
        taken = given.masked_fill(~crowded, -math.inf).argmax()
        counts[labels[taken]] -= 1
        counts[cluster] += 1
        labels[taken] = cluster
        filled += 1
    return labels, filled
