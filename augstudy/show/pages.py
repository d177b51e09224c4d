"""Pages of pictures, and pictures, that a command was asked for, each as one file."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from augstudy.core.store import replacing
from augstudy.show.style import house

__all__ = ["save_page", "save_picture"]


def save_page(figure: Figure, path: Path, dpi: int = 200) -> None:
    """Write a PNG, whole or not at all; equal figures give equal bytes."""
    with house(), replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi, metadata={"Software": None})


def save_picture(pixels: np.ndarray[Any, np.dtype[np.uint8]], path: Path) -> None:
    """Write (h, w, 3) uint8 as a PNG with the same pixels, whole or not at all."""
    with replacing(path) as temporary:
        Image.fromarray(pixels).save(temporary, "PNG")
