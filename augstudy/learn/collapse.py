"""How far a network is from giving the same answer to every picture."""

import torch
from lightly.utils.debug import std_of_l2_normalized
from torch import Tensor

from augstudy.learn.methods.base import Diagnostic

__all__ = ["effective_rank", "spread"]


def effective_rank(z: Tensor) -> float:
    """How many directions (B, D) embeddings use: exp of the entropy of their singular values' shares, from 1 to D.

    Source: Roy and Vetterli, EUSIPCO 2007; as a gauge of collapse Garrido et al. (RankMe), ICML 2023.
    """
    values = torch.linalg.svdvals(z.double())
    share = values / values.sum().clamp(min=1e-30)
    return float(torch.special.entr(share).sum().exp())


def spread(z: Tensor) -> list[Diagnostic]:
    """Of (B, D) unit vectors: a constant has standard deviation 0 and rank 1."""
    return [
        Diagnostic("std of embeddings", float(std_of_l2_normalized(z)), 0.0),
        Diagnostic("effective rank of embeddings", effective_rank(z), 1.0),
    ]
