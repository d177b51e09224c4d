"""What a network makes of every crop of a source as it is, for methods that cluster them."""

from collections.abc import Callable

import torch
from torch import Tensor

from augstudy.data.corpus import Source
from augstudy.learn.backbones.base import signed
from augstudy.learn.world import alone, gathered, part, place

__all__ = ["READ", "centre", "read", "read_training"]

READ = 512  # crops of which features are read at a time


def centre(x: Tensor, side: int) -> Tensor:
    """The central square of at most this side: (B, 3, h, w) -> (B, 3, min(side, h), min(side, w))."""
    top, left = (max(0, (length - side) // 2) for length in x.shape[-2:])
    return x[..., top : top + side, left : left + side]


@torch.no_grad()
def read(network: Callable[[Tensor], Tensor], source: Source, side: int, out: Tensor) -> Tensor:
    """Fill `out`, (N, D), with the features of the crops' central squares of at most `side` pixels, and return it.

    Processes that train together read a share of the crops each, and hear the rest of the others.
    """
    mine = part(len(source))
    alone = len(mine) == len(source)
    shared = out if alone else out.new_empty((len(mine), out.shape[1]))
    for rows, index in zip(shared.split(READ), mine.split(READ), strict=True):
        rows.copy_(network(signed(centre(source.batch(index), side))))
    return out if alone else out.copy_(gathered(shared)[: len(out)])


@torch.no_grad()
def read_training(network: Callable[[Tensor], Tensor], source: Source, batch_size: int, out: Tensor) -> Tensor:
    """Fill `out`, (N, D), with features of whole crops and return it; batch norm sees `batch_size` of them at most.

    Processes that train together share out each batch, as in training; one that has no equal parts each of them reads.
    """
    rank, count = place()
    for index in torch.arange(len(source)).tensor_split(-(-len(source) // batch_size)):
        if len(index) % count:
            with alone():
                found = network(signed(source.batch(index)))
        else:
            found = gathered(network(signed(source.batch(index.chunk(count)[rank]))))
        out[index[0] : index[-1] + 1] = found
    return out
