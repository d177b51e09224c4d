"""Views of several sizes through one network."""

from collections.abc import Callable
from itertools import groupby

import torch
from torch import Tensor

__all__ = ["passes"]


def passes(network: Callable[[Tensor], Tensor], views: list[Tensor]) -> list[Tensor]:
    """Each view's (B, ...) output, in one pass for every run of views of one size: batch norm sees these together.

    Source: Caron et al. (SwAV), NeurIPS 2020, released code.
    """
    found: list[Tensor] = []
    for _, same in groupby(views, lambda view: view.shape[-2:]):
        group = list(same)
        found.extend(network(torch.cat(group)).chunk(len(group)))
    return found
