"""The first layer of an encoder as an array."""

from typing import Any

import numpy as np
import torch

from augstudy.learn.backbones.base import Encoder

__all__ = ["first_layer"]


def first_layer(encoder: Encoder) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Weights of the first convolution: (F, kh, kw, C), C being 3, or 2 behind a Sobel front end."""
    conv = next(m for m in encoder.modules() if isinstance(m, torch.nn.Conv2d))
    return np.asarray(conv.weight.detach().permute(0, 2, 3, 1).cpu().numpy())
