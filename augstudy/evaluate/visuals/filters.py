"""The first layer of an encoder as an array."""

from typing import Any

import numpy as np
import torch

from augstudy.core.errors import UserError
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.sided import TwoSided

__all__ = ["first_layer"]


def first_layer(encoder: Encoder) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Weights of the first convolution: (F, kh, kw, C), C being 3, or 2 behind a Sobel front end.

    Raises:
        UserError: the network has an encoder for each part of a picture.
    """
    if isinstance(encoder, TwoSided):
        what = "this network has an encoder for each part of a picture, so it has no one first layer"
        raise UserError(what, "Name a run whose views both have all channels.")
    conv = next(m for m in encoder.modules() if isinstance(m, torch.nn.Conv2d))
    return np.asarray(conv.weight.detach().permute(0, 2, 3, 1).cpu().numpy())
