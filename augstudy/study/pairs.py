"""Pairs of views as pictures that anyone can look at, whatever channels their two sides have."""

import torch
from torch import Tensor

from augstudy.augment.graph import Graph
from augstudy.data.corpus import Source

__all__ = ["pair_pictures", "visible"]


def pair_pictures(source: Source, graphs: tuple[Graph, Graph], index: Tensor) -> Tensor:
    """First and second view of each crop in turn: (2 B, 3, h, w) in [0, 1]."""
    sides = [visible(source.view(index, graph, view=number)) for number, graph in enumerate(graphs)]
    return torch.stack(sides, 1).flatten(0, 1)


def visible(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, 3, h, w): one channel as grey, two as red and green beside a middle blue."""
    if x.shape[1] == 3:
        return x
    if x.shape[1] == 1:
        return x.expand(-1, 3, -1, -1)
    return torch.cat((x, torch.full_like(x[:, :1], 0.5)), 1)
