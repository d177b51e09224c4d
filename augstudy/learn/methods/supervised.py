"""Reference row: the same encoder trained with labels."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from augstudy.learn.backbones.base import Encoder
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.multicrop import passes

__all__ = ["Supervised"]


class SupervisedModules(Modules):
    """The encoder and a linear classifier."""

    def __init__(self, encoder: Encoder, classes: int) -> None:
        super().__init__(encoder)
        self.classes = classes
        self.head = nn.Linear(encoder.width(), classes)

    def loss(self, batch: Batch) -> Tensor:
        assert batch.labels is not None
        logits = passes(self.encoder.embed, batch.views, self.head)
        return torch.stack([cross_entropy(view, batch.labels) for view in logits]).mean()

    def classifier(self) -> nn.Linear:
        return self.head

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        logits = self.head(self.encoder.embed(batch.views[0]))
        top1 = 100 * logits.argmax(1).eq(batch.labels).float().mean().item()
        return [Diagnostic("top-1 on held-out images", top1, 100 / self.classes, unit="%")]


@dataclass(frozen=True)
class Supervised(Method):
    """Cross-entropy on the labels; the upper reference of the layer curves. Optimised as NIN is on CIFAR in RotNet.

    Of several views of an image it is the mean.
    """

    nesterov: bool = True
    needs_labels: ClassVar[bool] = True
    multicrop: ClassVar[bool] = True
    classifies: ClassVar[bool] = True

    def modules(self, encoder: Encoder, context: Context) -> SupervisedModules:
        return SupervisedModules(encoder, context.classes)
