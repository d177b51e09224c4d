"""Reference row: an encoder with random weights."""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from augstudy.core.build import check_choice
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules

__all__ = ["Random"]


class RandomModules(Modules):
    """Nothing to train."""

    def loss(self, batch: Batch) -> Tensor:
        raise NotImplementedError("random features are not trained")

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        return []


@dataclass(frozen=True)
class Random(Method):
    """Weights as initialised; what an architecture gives before it has learnt anything.

    Args:
        init: of convolutions and linear layers: "he", as the backbones draw theirs and all trained rows begin (He et
            al., ICCV 2015); "torch", torch's default, uniform with a sixth of that variance; or "orthogonal", scaled by
            sqrt 2 for the ReLU (Saxe et al., ICLR 2014). Behind a batch norm only the shape of the law matters.
    """

    epochs: int = 0
    init: str = "he"
    trains: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("init", self.init, ("he", "torch", "orthogonal"))

    def modules(self, encoder: Encoder, context: Context) -> RandomModules:
        for layer in encoder.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                self._draw(layer)
        return RandomModules(encoder)

    def _draw(self, layer: nn.Conv2d | nn.Linear) -> None:
        """New weights from torch's global generator; "he" keeps those that are there."""
        if self.init == "torch":
            layer.reset_parameters()
        elif self.init == "orthogonal":
            nn.init.orthogonal_(layer.weight, math.sqrt(2))
