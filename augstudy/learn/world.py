"""Processes that train together, one a device: who this one is, and what it must hear of the others."""

import torch
from torch import Tensor, distributed

__all__ = ["gathered", "place"]


def place() -> tuple[int, int]:
    """Number of this process, and how many train together; (0, 1) for one alone."""
    if distributed.is_available() and distributed.is_initialized():
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
