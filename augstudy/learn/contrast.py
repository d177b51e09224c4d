"""What contrastive methods share: towers that give unit vectors, and how the task of telling pairs apart is judged."""

import math

import torch
from lightly.utils.debug import std_of_l2_normalized
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from augstudy.learn.backbones.base import Encoder
from augstudy.learn.methods.base import Diagnostic

__all__ = ["EASY", "Tower", "judged", "paired"]

# Per cent of held-out crops whose positive comes first. From here on the loss has next to nothing to teach: views share
# a cue, mostly because they are too alike (the MoCo repository's issue 79: 100 % after 20 epochs, and no use).
EASY = 98.0


class Tower(nn.Module):
    """An encoder and its projection head: images -> unit vectors."""

    def __init__(self, encoder: Encoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, h, w) -> (B, D)
        return self.project(self.encoder.embed(x))

    def project(self, features: Tensor) -> Tensor:
        """(B, width) -> (B, D), unit vectors."""
        return normalize(self.head(features), dim=1)


def paired(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Cosines over the temperature of each first side with all second sides, its own before the others'.

    Args:
        first, second: (B, D) unit vectors.

    Returns:
        (B, B), as `judged` wants it.
    """
    scores, n = first @ second.T / temperature, len(first)
    # Without its first entry, B - 1 lines of B + 1 each end with one of the diagonal.
    others = scores.flatten()[1:].view(n - 1, n + 1)[:, :-1].reshape(n, n - 1)
    return torch.cat((scores.diagonal()[:, None], others), 1)


def judged(logits: Tensor, temperature: float, embeddings: Tensor) -> list[Diagnostic]:
    """How well positives are found among negatives.

    Args:
        logits: (B, 1 + K), cosines over the temperature, the positive first.
        embeddings: (B, D) unit vectors, for their spread: 0 where all views look the same to the network.
    """
    size = logits.shape[1]
    loss = cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device)).item()
    top1 = 100 * logits.argmax(1).eq(0).float().mean().item()
    cosines = logits * temperature
    positive, negative = cosines[:, 0].mean().item(), cosines[:, 1:].mean().item()
    return [
        Diagnostic("InfoNCE loss", loss, math.log(size), "lower", "nats"),
        Diagnostic("top-1 of the positive", top1, 100 / size, unit="%"),
        Diagnostic("std of embeddings", float(std_of_l2_normalized(embeddings)), 0.0),
        Diagnostic("cosine of positives", positive, negative),
        Diagnostic("cosine of negatives", negative, 0.0, "lower"),
        Diagnostic("task too easy", float(top1 >= EASY), 0.0, "lower"),
    ]
