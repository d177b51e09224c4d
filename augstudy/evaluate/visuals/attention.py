"""Where a transformer looks: how much [CLS] heeds each patch of a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from augstudy.core.build import check_range
from augstudy.core.bundle import Arrays
from augstudy.core.errors import UserError
from augstudy.evaluate.visuals.arrays import as_pixels
from augstudy.learn.backbones.base import Encoder, signed
from augstudy.learn.backbones.vit import ViTEncoder

__all__ = ["Attention"]


@dataclass(frozen=True)
class Attention:
    """The attention of [CLS] in the last block, head by head.

    Args:
        size: px, of the square pictures.

    Source: Caron et al. (DINO), ICCV 2021, figures 1 and 3.
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
            `pictures` (P, size, size, 3) uint8; `maps` (P, heads, h, w) float32, shares of attention; `used` (P,
            heads), over how large a share of the patches it is spread: exp of its entropy over their number.

        Raises:
            UserError: the encoder is no transformer.
        """
        if not isinstance(encoder, ViTEncoder):
            raise UserError("this encoder is no transformer, so nothing in it attends", "Name a run with backbone vit.")
        found = encoder.attention(signed(torch.stack(list(pictures)))).float()  # (P, heads, h, w)
        among = found.flatten(2) / found.flatten(2).sum(2, keepdim=True)
        return {
            "pictures": as_pixels(torch.stack(list(pictures))),
            "maps": found.cpu().numpy(),
            "used": (torch.special.entr(among).sum(2).exp() / among.shape[2]).cpu().numpy().astype(np.float32),
        }
