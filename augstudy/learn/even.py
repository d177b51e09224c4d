"""Labels that are shared out evenly over clusters, and how near the transport behind them came."""

import torch
from torch import Tensor, nn

from augstudy.learn.methods.base import Diagnostic
from augstudy.learn.transport import Blocks, hard, transport

__all__ = ["Even"]


class Even(nn.Module):
    """Labels all samples in each of several heads; what it remembers of that is saved with the training.

    Args:
        heads: how many.
        tolerance, rounds: of the transport.
    """

    misfit: Tensor  # (heads,) of the last transport: the largest relative deviation of a sample's marginal
    filled: Tensor  # (heads,) clusters that would have been empty

    def __init__(self, heads: int, tolerance: float, rounds: int) -> None:
        super().__init__()
        self.tolerance, self.rounds = tolerance, rounds
        self.register_buffer("misfit", torch.zeros(heads, dtype=torch.double))
        self.register_buffer("filled", torch.zeros(heads, dtype=torch.long))

    def label(self, head: int, blocks: Blocks, count: int, clusters: int) -> Tensor:
        """The labels of `count` samples in one head, (N,) int64; `blocks` are their scores (see `transport`)."""
        plan = transport(blocks, count, clusters, self.tolerance, self.rounds)
        labels, filled = hard(blocks, plan)
        self.misfit[head], self.filled[head] = plan.error, filled
        return labels

    def diagnostics(self) -> list[Diagnostic]:
        return [
            Diagnostic("marginal error of the transport", self.misfit.max().item(), 0.0, "lower"),
            Diagnostic("empty clusters filled", self.filled.sum().item(), 0, "lower"),
        ]
