"""LARS: SGD with a rate of its own for each tensor, found without waiting for the device."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm

__all__ = ["LARS"]


class LARS(torch.optim.Optimizer):
    """SGD with momentum whose step in each tensor is in proportion to the length of its weights.

    The decayed gradient g + d w is scaled by t |w| / (|g| + d |w| + eps); where w or g is 0, the gradient is taken as
    it is. So are, unless told otherwise, those of biases and of norms' scales and shifts, which are vectors. lightly's
    LARS computes the same, but asks the device for both lengths of every tensor in every step, and waits for the
    answers.

    Args:
        params: as for any optimiser.
        lr, momentum, nesterov: of SGD.
        weight_decay: d.
        trust: t.
        vectors: decay and scale them too.
        eps: keeps the quotient finite.

    Source: You, Gitman, Ginsburg, "Large batch training of convolutional networks", 2017, algorithm 1; t and eps are
    lightly's. Vectors are left out in the released codes of SimCLR and BYOL, and treated as all others in SwAV's.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        trust: float = 1e-3,
        vectors: bool = False,
        eps: float = 1e-8,
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(params, settings | {"trust": trust, "vectors": vectors, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every tensor that has a gradient; a closure is not called."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.add_(self._direction(p, scaled(p, p.grad, group), group), alpha=-group["lr"])

    def _direction(self, p: nn.Parameter, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        """The gradient with its momentum."""
        momentum, state = group["momentum"], self.state[p]
        if momentum == 0:
            return gradient
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = gradient.clone()
        else:
            state["momentum_buffer"].mul_(momentum).add_(gradient)
        buffer: Tensor = state["momentum_buffer"]
        return gradient.add(buffer, alpha=momentum) if group["nesterov"] else buffer


def scaled(p: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
    """The decayed gradient times the tensor's own rate, chosen on the device."""
    if p.ndim <= 1 and not group["vectors"]:
        return gradient
    decay = group["weight_decay"]
    weights, slope = vector_norm(p), vector_norm(gradient)
    rate = weights / (slope + weights * decay + group["eps"]) * group["trust"]
    return torch.where((weights > 0) & (slope > 0), gradient.add(p, alpha=decay) * rate, gradient)
