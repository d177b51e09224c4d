"""Views of several sizes through one network."""

from collections.abc import Callable, Sequence
from itertools import groupby

import torch
from torch import Tensor

__all__ = ["crossed", "passes"]

Layer = Callable[[Tensor], Tensor]


def passes(backbone: Layer, views: list[Tensor], head: Layer) -> list[Tensor]:
    """Each view's (B, D): through the backbone in one pass for each run of views of one size, through the head at once.

    So batch norm of the backbone sees the views of one size together, and that of the head all of them.

    Source: Caron et al. (SwAV), NeurIPS 2020, and (DINO), ICCV 2021, released codes.
    """
    groups = [list(same) for _, same in groupby(views, lambda view: view.shape[-2:])]
    features = torch.cat([backbone(torch.cat(group)) for group in groups])
    return list(head(features).chunk(len(views)))


def crossed(first: Sequence[Tensor], second: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """What `first` has of one view with what `second` has of another, for all pairs of views that are not the same."""
    return [(a, b) for i, a in enumerate(first) for j, b in enumerate(second) if i != j]
