"""Weight decay that spares vectors."""

from collections.abc import Iterable

import torch
from torch import nn

from augstudy.learn.methods.base import Method

__all__ = ["spared"]


def spared(method: Method, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The method's optimiser with two groups: what decays, and biases and scales of norms, which do not.

    Source: the released codes of DINO and MAE.
    """
    params = list(params)
    optimizer = method.optimizer_for([p for p in params if p.ndim > 1])
    optimizer.add_param_group({"params": [p for p in params if p.ndim <= 1], "weight_decay": 0.0})
    return optimizer
