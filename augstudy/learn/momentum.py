"""A network that follows another: its weights are a moving average of the other's."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

__all__ = ["follow", "rising"]


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, ema: float) -> None:
    """The teacher's weights and batch norm statistics move towards the student's; counters are the student's.

    What a teacher in training mode sees moves its statistics besides, and most of the way.

    Args:
        ema: what share of the teacher stays as it is; 0 makes it a copy of the student.
    """
    for t, s in zip(_state(teacher), _state(student), strict=True):
        if t.is_floating_point():
            t.lerp_(s, 1 - ema)
        else:
            t.copy_(s)  # a mean of counters would be rounded down for ever


def _state(network: nn.Module) -> Iterator[Tensor]:
    """All parameters and buffers, without gradient."""
    yield from (p.detach() for p in network.parameters())
    yield from network.buffers()


def rising(ema: float, progress: float) -> float:
    """`ema` at the beginning of a training, 1 at its end, half a cosine between.

    Source: Grill et al. (BYOL), NeurIPS 2020, section 3.3.
    """
    return 1 - (1 - ema) * (1 + math.cos(math.pi * progress)) / 2
