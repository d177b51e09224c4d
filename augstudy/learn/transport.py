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

    A cluster that no sample gives most to takes, of those which are not alone in theirs, the one that gives it most;
    these clusters are filled in their order, after two passes over the scores however many they are.

    Returns:
        labels (N,) int64, and how many clusters had to be filled.
    """
    labels = torch.cat([(block + plan.columns).argmax(1) for block in blocks()])
    sizes = labels.bincount(minlength=len(plan.columns))
    empty = (sizes == 0).nonzero()[:, 0]
    if not len(empty):
        return labels, 0
    givers = _givers(blocks, plan, empty, sizes[labels] > 1)
    moved = _filled(empty.tolist(), givers.cpu(), labels[givers].cpu(), sizes.tolist())
    labels[list(moved)] = labels.new_tensor(list(moved.values()))
    return labels, len(moved)


def _givers(blocks: Blocks, plan: Plan, empty: Tensor, crowded: Tensor) -> Tensor:
    """The samples that give each of E empty clusters most, most first, those alone in their cluster last: (E, 2E - 1).

    More are never looked at: to fill a cluster takes a sample from the others, and may leave one more alone.
    """
    wanted, start = 2 * len(empty) - 1, 0
    most, numbers = plan.rows.new_empty((len(empty), 0)), empty.new_empty((len(empty), 0))
    for block in blocks():
        own = torch.arange(start, start + len(block), device=empty.device)
        given = (block[:, empty] + plan.rows[own, None]).masked_fill_(~crowded[own, None], -math.inf)
        most, numbers = torch.cat((most, given.T), 1), torch.cat((numbers, own.expand(len(empty), -1)), 1)
        most, order = most.topk(min(wanted, most.shape[1]), dim=1)
        numbers, start = numbers.gather(1, order), start + len(block)
    return numbers


def _filled(empty: list[int], givers: Tensor, owners: Tensor, sizes: list[int]) -> dict[int, int]:
    """Which sample each empty cluster takes, until all samples are alone in theirs: sample -> cluster."""
    moved: dict[int, int] = {}
    for cluster, row, clusters in zip(empty, givers, owners, strict=True):
        pairs = zip(row.tolist(), clusters.tolist(), strict=True)
        free = ((sample, owner) for sample, owner in pairs if sample not in moved and sizes[owner] > 1)
        sample, owner = next(free, (None, None))
        if sample is None or owner is None:
            break
        sizes[owner] -= 1
        moved[sample] = cluster
    return moved
