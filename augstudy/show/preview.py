"""A picture of crops and view pairs before anyone trains, with what was done to each under it."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from augstudy.core.store import replacing
from augstudy.show.figures.base import Pixels
from augstudy.show.style import LINE, SMALL, house, page, wrapped

__all__ = ["preview_figure", "save_preview"]

Sheet = tuple[str, Pixels, Sequence[str]]  # label, pictures (n, h, w, C) in [0, 1], a text for each

WIDTH, COLUMNS = 9.0, 6  # inches; six columns leave room for 24 letters under each picture


def save_preview(path: Path, title: str, caption: str, sheets: Sequence[Sheet]) -> None:
    """Write a PNG with one contact sheet for each (label, pictures, texts)."""
    with house():
        figure = preview_figure(title, caption, sheets)
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png", dpi=150)


def preview_figure(title: str, caption: str, sheets: Sequence[Sheet]) -> Figure:
    """A page of contact sheets, one under the other, each picture with its text below."""
    side = WIDTH / COLUMNS - 0.15
    labels = [wrapped(label, WIDTH - 0.5, SMALL + 0.5, "bold") for label, _, _ in sheets]
    heights = [sheet_height(label, texts, side) for label, (_, _, texts) in zip(labels, sheets, strict=True)]
    figure = page(title, caption, WIDTH, sum(heights))
    if not sheets:
        return figure
    parts = figure.subfigures(len(sheets), 1, height_ratios=heights, squeeze=False)[:, 0]
    for part, label, (_, pictures, texts) in zip(parts, labels, sheets, strict=True):
        part.suptitle(label, size=SMALL + 0.5, weight="bold", x=0.01, ha="left")
        grid = part.subplots(math.ceil(len(pictures) / COLUMNS), COLUMNS, squeeze=False).flat
        for ax in grid:
            ax.set_axis_off()
        for ax, picture, text in zip(part.axes, pictures, texts, strict=False):  # the last row may not be full
            ax.imshow(seen(picture), cmap="gray", vmin=0, vmax=1)
            ax.set_title(text, y=0, va="top", pad=-3, size=SMALL, linespacing=1.1)
    return figure


def seen(picture: Pixels) -> Pixels:
    """Three channels (h, w, 3) as they are, fewer as grey tiles side by side, (h, C * w)."""
    return picture if picture.shape[-1] == 3 else np.concatenate(np.moveaxis(picture, -1, 0), axis=1)


def sheet_height(label: str, texts: Sequence[str], side: float) -> float:
    """Inches of a sheet with pictures `side` inches wide under its label."""
    above = (label.count("\n") + 1) * (SMALL + 0.5) * LINE + 0.15
    lines = max((text.count("\n") + 1 for text in texts), default=0)
    return math.ceil(len(texts) / COLUMNS) * (side + lines * SMALL * LINE + 0.1) + above
