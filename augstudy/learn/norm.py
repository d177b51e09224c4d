"""Batch norm over the batches of all processes that train together, or over parts of one."""

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.functional import batch_norm
from torch.nn.modules.batchnorm import _BatchNorm

from augstudy.learn.world import place

__all__ = ["Parted", "Synced", "parted", "synced"]


class Mean(torch.autograd.Function):
    """The mean over all processes; so is its gradient, for what each makes of the mean, all have a part in."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.contiguous().clone()
        distributed.all_reduce(total)
        return total / place()[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return Mean.forward(ctx, gradients[0])


class Synced(_BatchNorm):
    """Batch norm whose mean and variance in training are those of the batches of all processes, and so its gradients.

    `torch.nn.SyncBatchNorm` does the same on cards alone.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        return None

    def forward(self, input: Tensor) -> Tensor:  # (B, C, ...) -> (B, C, ...)
        count = place()[1]
        if count == 1 or not self.training:
            return super().forward(input)
        x = input if input.dtype == torch.double else input.float()  # half's sums would be too coarse
        axes, shape = [0, *range(2, x.dim())], [1, -1, *[1] * (x.dim() - 2)]
        mean = Mean.apply(x.mean(axes))  # (C,)
        centred = x - mean.view(shape)
        variance = Mean.apply(centred.square().mean(axes))  # of all, for batches are of one size
        self._remember(mean.detach(), variance.detach(), count * x.numel() // x.shape[1])
        y = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, n: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        assert self.momentum is not None
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_((variance * (n / (n - 1))).to(self.running_var.dtype), self.momentum)


def synced(module: nn.Module) -> None:
    """Let every batch norm of a network see the batches of all processes; names and weights stay as they are."""
    for part in module.modules():
        if isinstance(part, _BatchNorm) and part.momentum is not None:
            part.__class__ = Synced


class Parted(_BatchNorm):
    """Batch norm that in training sees so many parts of a batch apart, as that many devices would.

    As with them, the statistics it remembers move once a batch, towards the mean of the parts' own.
    """

    parts: int  # of all processes together

    def _check_input_dim(self, input: Tensor) -> None:
        return None

    def forward(self, input: Tensor) -> Tensor:  # (B, C, ...) -> (B, C, ...)
        parts = max(1, self.parts // place()[1])
        if parts == 1 or not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        means, variances = (old.repeat(parts, 1) for old in (self.running_mean, self.running_var))
        normed = [
            batch_norm(x, mean, variance, self.weight, self.bias, True, self.momentum, self.eps)
            for x, mean, variance in zip(input.tensor_split(parts), means, variances, strict=True)
        ]
        self.running_mean.copy_(means.mean(0))
        self.running_var.copy_(variances.mean(0))
        self.num_batches_tracked.add_(1)
        return torch.cat(normed)


def parted(module: nn.Module, parts: int) -> None:
    """Let batch norms that remember statistics see so many parts of a batch apart; names and weights stay."""
    for part in module.modules():
        if isinstance(part, _BatchNorm) and part.track_running_stats and part.momentum is not None:
            part.__class__ = Parted
            vars(part)["parts"] = parts
