"""Reference row: an encoder with random weights."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

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
    """Weights as initialised; what an architecture gives before it has learnt anything."""

    epochs: int = 0
    trains: ClassVar[bool] = False

    def modules(self, encoder: Encoder, context: Context) -> RandomModules:
        return RandomModules(encoder)
