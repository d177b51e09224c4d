"""RotNet: tell by which quarter turn an image was rotated."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from augstudy.learn.backbones.base import Encoder
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules

__all__ = ["RotNet"]


def quarter_turns(x: Tensor) -> tuple[Tensor, Tensor]:
    """All four rotations of each image, exact because they only move pixels: (B, 3, s, s) -> (4B, 3, s, s), (4B,)."""
    turned = torch.cat([torch.rot90(x, k, (2, 3)) for k in range(4)])
    return turned, torch.arange(4, device=x.device).repeat_interleave(len(x))


class RotNetModules(Modules):
    """The encoder and a four-way classifier."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder)
        self.head = nn.Linear(encoder.width(), 4)

    def loss(self, batch: Batch) -> Tensor:
        x, turns = quarter_turns(batch.views[0])
        return cross_entropy(self.head(self.encoder.embed(x)), turns)

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        """The second number tells of a shortcut: above chance, borders or interpolation give the turn away."""
        return [
            Diagnostic("rotation accuracy", self._accuracy(batch.views[0]), 25.0, unit="%"),
            Diagnostic("rotation accuracy on noise", self._accuracy(batch.blank[0]), 25.0, "lower", "%"),
        ]

    def _accuracy(self, images: Tensor) -> float:
        x, turns = quarter_turns(images)
        return 100 * self.head(self.encoder.embed(x)).argmax(1).eq(turns).float().mean().item()


@dataclass(frozen=True)
class RotNet(Method):
    """Four rotations of each crop in the same batch, classified.

    Defaults are the ImageNet AlexNet ones: batch 192 (x 4), 50 epochs, lr 0.01 divided by 10 after 15, 30 and 45.

    Source: Gidaris, Singh, Komodakis, ICLR 2018.
    """

    epochs: int = 50
    batch_size: int = 192
    lr: float = 0.01
    nesterov: bool = True
    schedule: str = "steps"
    milestones: tuple[float, ...] = (0.3, 0.6, 0.9)
    needs_blank: ClassVar[bool] = True

    def modules(self, encoder: Encoder, context: Context) -> RotNetModules:
        return RotNetModules(encoder)
