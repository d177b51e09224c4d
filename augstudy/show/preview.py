"""A picture of crops and view pairs before anyone trains."""

from collections.abc import Sequence
from pathlib import Path

from augstudy.core.store import replacing
from augstudy.show.figures.base import Pixels, contact_sheet, picture_page
from augstudy.show.style import house

__all__ = ["save_preview"]


def save_preview(path: Path, title: str, caption: str, sheets: Sequence[tuple[str, Pixels]]) -> None:
    """Write a PNG with one contact sheet for each (label, pictures (n, h, w, 3) in [0, 1])."""
    with house():
        figure = picture_page(title, caption, [(name, contact_sheet(tiles, gap=2)) for name, tiles in sheets], 9.0)
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png", dpi=200)
