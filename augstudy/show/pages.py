"""A page of pictures that a command was asked for, as one file."""

from pathlib import Path

from matplotlib.figure import Figure

from augstudy.core.store import replacing
from augstudy.show.style import house

__all__ = ["save_page"]


def save_page(figure: Figure, path: Path, dpi: int = 200) -> None:
    """Write a PNG, whole or not at all; equal figures give equal bytes."""
    with house(), replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi, metadata={"Software": None})
