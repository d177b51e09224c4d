"""Weight decay that spares some weights."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from augstudy.learn.methods.base import Method

__all__ = ["gains", "spared", "vectors"]


def gains(module: nn.Module) -> list[nn.Parameter]:
    """The scales of batch norms."""
    return [part.weight for part in module.modules() if isinstance(part, _BatchNorm) and part.affine]


def vectors(params: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    """Biases and scales of norms."""
    return [p for p in params if p.ndim <= 1]


def spared(
    method: Method, params: Iterable[nn.Parameter], free: Iterable[nn.Parameter] | None = None
) -> torch.optim.Optimizer:
    """The method's optimiser with two groups: what decays, and what does not.

    Args:
        free: what does not, where it is among `params`; unless told, biases and scales of norms, as in the released
            codes of DINO and MAE.
    """
    params = list(params)
    spare = {id(p) for p in (vectors(params) if free is None else free)}
    optimizer = method.optimizer_for([p for p in params if id(p) not in spare])
    optimizer.add_param_group({"params": [p for p in params if id(p) in spare], "weight_decay": 0.0})
    return optimizer
