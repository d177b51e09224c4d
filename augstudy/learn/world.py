"""Processes that train together, one a device: who this one is, and what it must hear of the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from lightly.utils.dist import gather
from torch import Tensor, distributed, nn

__all__ = ["agreed", "alone", "averaged", "everyones", "gathered", "part", "place", "rows"]

STATISTICS = ("running_mean", "running_var")  # what batch norm calls them

_ALONE: ContextVar[bool] = ContextVar("alone", default=False)


def place() -> tuple[int, int]:
    """Number of this process, and how many train together; (0, 1) for one alone."""
    if not _ALONE.get() and distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def gathered(x: Tensor) -> Tensor:
    """The (B, ...) tensors of all processes, of one shape, in their order: (W B, ...), without gradient.

    Lightning Fabric's `all_gather` gives the same and needs the Fabric, which a method does not know.
    """
    _, count = place()
    if count == 1:
        return x
    parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(count)]
    distributed.all_gather(parts, x.contiguous())
    return torch.cat(parts)


def everyones(x: Tensor) -> Tensor:
    """As `gathered`, with gradient: to each process goes back what all of them made of its part."""
    return torch.cat(gather(x.contiguous())) if place()[1] > 1 else x


def rows(mine: Tensor) -> Tensor:
    """The places of this process's (B, ...) among the rows of all, as `gathered` orders them: (B,) int64."""
    return torch.arange(len(mine), device=mine.device) + place()[0] * len(mine)


@contextmanager
def alone() -> Iterator[None]:
    """In the block this process works as if it were the only one: to judge, say, which all do alike."""
    token = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(token)


def part(count: int) -> Tensor:
    """The numbers of range(count) that fall to this process: (P,), as many for each, the last repeated if need be.

    `gathered` of what is made of them has all numbers in order in its first `count` rows.
    """
    rank, world = place()
    size = -(-count // world)
    return torch.arange(rank * size, (rank + 1) * size).clamp_(max=count - 1)


@torch.no_grad()
def averaged(module: nn.Module, loss: Tensor) -> Tensor:
    """Give all processes the mean of their gradients and batch norm statistics, and return the mean of their losses.

    One message for all: a gradient is a slice of it. Processes have equal parts of a batch, so the mean of their mean
    losses has the gradient of the whole batch. Statistics differ where each process norms its own part.
    """
    count = place()[1]
    if count == 1:
        return loss
    values = [p.grad for p in module.parameters() if p.grad is not None]
    values += [b for name, b in module.named_buffers() if name.endswith(STATISTICS)]
    flat = torch.cat([*(v.reshape(-1) for v in values), loss.detach().reshape(1).to(values[0])])
    distributed.all_reduce(flat)
    flat /= count
    for value, mean in zip(values, flat.split([*(v.numel() for v in values), 1]), strict=False):
        value.copy_(mean.view_as(value))
    return flat[-1].to(loss.dtype)


@torch.no_grad()
def agreed(module: nn.Module, order: Tensor) -> Tensor:
    """All processes go on with the state of the first, and visit crops in its order.

    What each of them has clustered by itself may differ in last bits, and then in labels.
    """
    if place()[1] == 1:
        return order
    for value in module.state_dict().values():
        whole = value.contiguous()  # as messages must be
        distributed.broadcast(whole, 0)
        value.copy_(whole)
    device = next(module.parameters()).device
    there = order.to(device)
    distributed.broadcast(there, 0)
    return there.to(order.device)
