"""Pictures as the arrays that files and figures take."""

from typing import Any

import numpy as np
from torch import Tensor

__all__ = ["as_pixels"]


def as_pixels(pictures: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(..., 3, h, w), uint8 or float in [0, 1] -> (..., h, w, 3) uint8."""
    x = pictures if not pictures.is_floating_point() else pictures.mul(255).round().clamp(0, 255).byte()
    return np.asarray(x.movedim(-3, -1).cpu().numpy())
