"""A page of lines of labelled pictures, one line a row of the study."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from augstudy.show.style import LINE, SMALL, house, page, wrapped

__all__ = ["enlarged", "framed", "grid_page", "lines_of_tiles"]

TILE = 0.96  # of a column's width, the rest is white
Pixels = np.ndarray[Any, np.dtype[Any]]
Line = tuple[str, Sequence[tuple[str, Pixels]]]  # its name, and its pictures, each with a label


def grid_page(title: str, caption: str, lines: Sequence[Line], width: float) -> Figure:
    """Each line's name in bold above its pictures, (h, w, 3) in [0, 1], all lines divided alike."""
    columns = max(len(pictures) for _, pictures in lines)
    side = width / columns
    names = [wrapped(name, width - 0.5, SMALL, "bold") for name, _ in lines]
    labels = [[wrapped(label, side - 0.04) for label, _ in pictures] for _, pictures in lines]
    words = [max(label.count("\n") + 1 for label in line) for line in labels]  # lines of text above the pictures
    heights = [
        (name.count("\n") + 1 + above) * SMALL * LINE + 0.2 + side * max(x.shape[0] / x.shape[1] for _, x in pictures)
        for name, above, (_, pictures) in zip(names, words, lines, strict=True)
    ]
    with house():
        figure = page(title, caption, width, sum(heights))
        axes = figure.subplots(len(lines), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for ax, name, line, above, (_, pictures) in zip(axes, names, labels, words, lines, strict=True):
            ax.set_title(name, loc="left", size=SMALL, weight="bold", pad=(above + 0.5) * SMALL * LINE * 72)
            _line(ax, line, pictures, columns)
        return figure


def _line(ax: Axes, labels: Sequence[str], pictures: Sequence[tuple[str, Pixels]], columns: int) -> None:
    """Pictures side by side in one pair of axes, a unit of which is a column."""
    ax.set_axis_off()
    ax.set_anchor("NW")
    for number, (label, (_, pixels)) in enumerate(zip(labels, pictures, strict=True)):
        height = TILE * pixels.shape[0] / pixels.shape[1]
        ax.imshow(pixels, vmin=0, vmax=1, extent=(number, number + TILE, height, 0))
        ax.annotate(label, (number, 0), (0, 3), textcoords="offset points", size=SMALL, va="bottom", linespacing=1.2)
    tallest = max(x.shape[0] / x.shape[1] for _, x in pictures)
    ax.set(xlim=(0, columns), ylim=(TILE * tallest, 0))


def enlarged(tiles: Pixels, side: int) -> Pixels:  # (..., h, w, 3) -> (..., k h, k w, 3)
    """Each pixel repeated a whole number of times, so that the width is about `side`."""
    times = max(1, round(side / tiles.shape[-2]))
    return tiles.repeat(times, axis=-3).repeat(times, axis=-2)


def framed(tiles: Pixels, marked: Pixels, colour: tuple[float, float, float], wide: int) -> Pixels:
    """A frame of this colour inside the tiles (..., h, w, 3) that are marked (...)."""
    h, w = tiles.shape[-3:-1]
    edge = np.ones((h, w, 1), bool)
    edge[wide:-wide, wide:-wide] = False
    return np.where(edge & marked[..., None, None, None], np.array(colour), tiles)


def lines_of_tiles(tiles: Pixels, gap: int = 2) -> Pixels:  # (n, m, h, w, 3) -> (H, W, 3)
    """n lines of m tiles, `gap` white pixels apart."""
    n, m, h, w, _ = tiles.shape
    sheet = np.ones((n, h + gap, m, w + gap, 3))
    sheet[:, :h, :, :w] = tiles.swapaxes(1, 2)
    return sheet.reshape(n * (h + gap), m * (w + gap), 3)[:-gap, :-gap]
