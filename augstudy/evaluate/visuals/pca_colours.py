"""The features of a picture's places as colours: what a network finds alike looks alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from augstudy.core.build import check_range
from augstudy.core.bundle import Arrays
from augstudy.evaluate.visuals.arrays import as_pixels
from augstudy.learn.backbones.base import Encoder, signed

__all__ = ["PCAColours"]


@dataclass(frozen=True)
class PCAColours:
    """The three leading principal components of each layer's features, over all places of all pictures, as red, green
    and blue.

    Each component is scaled by itself, from its 2nd to its 98th percentile. Its sign is chosen so that its skew is
    positive, for a principal axis has none of its own.

    Args:
        size: px, of the square pictures.

    Source: Oquab et al., "DINOv2", TMLR 2024, figure 1, without the removal of the background.
    """

    size: int = 160

    def __post_init__(self) -> None:
        check_range("size", self.size, 32)

    @torch.no_grad()
    def __call__(self, encoder: Encoder, pictures: Sequence[Tensor]) -> Arrays:
        """The gallery of one encoder.

        Args:
            pictures: P of (3, size, size) uint8 on the encoder's device.

        Returns:
            `pictures` (P, size, size, 3) uint8; `layers` (L,) names; for each layer `map_0`, `map_1`, ... (P, h, w, 3)
            uint8; `shown` (L,), the share of the variance that the three components hold.
        """
        every = encoder.layers(signed(torch.stack(list(pictures))))
        found = {name: y for name, y in every.items() if y[0, 0].numel() > 1}  # [CLS] has no places
        maps = [leading(y) for y in found.values()]
        return {
            "pictures": as_pixels(torch.stack(list(pictures))),
            "layers": np.array(list(found)),
            "shown": np.array([share for _, share in maps]),
            **{f"map_{i}": as_pixels(y) for i, (y, _) in enumerate(maps)},
        }


def leading(features: Tensor) -> tuple[Tensor, float]:
    """(P, C, h, w) -> (P, 3, h, w) in [0, 1], and the share of variance in the three components; missing ones are 0."""
    flat = features.movedim(1, -1).flatten(0, -2).double()  # (P h w, C)
    centred = flat - flat.mean(0)
    variance, axes = torch.linalg.eigh(centred.T @ centred)  # ascending
    scores = centred @ axes.flip(1)[:, :3]  # (P h w, <= 3)
    scores = scores * scores.pow(3).sum(0).sign()
    low, high = (scores.quantile(q, dim=0) for q in (0.02, 0.98))
    scores = ((scores - low) / (high - low).clamp(min=1e-9)).clamp(0, 1)
    scores = torch.nn.functional.pad(scores, (0, 3 - scores.shape[1]))
    share = float(variance.flip(0)[:3].sum() / variance.sum().clamp(min=1e-30))
    p, _, h, w = features.shape
    return scores.unflatten(0, (p, h, w)).movedim(-1, 1).float(), share
