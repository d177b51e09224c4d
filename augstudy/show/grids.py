"""A page of lines of labelled pictures, one line a row of the study."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from augstudy.show.style import LINE, SMALL, house, page, wrapped

__all__ = ["enlarged", "framed", "grid_page", "lines_of_tiles"]

Pixels = np.ndarray[Any, np.dtype[Any]]
Line = tuple[str, Sequence[tuple[str, Pixels]]]  # its name, and its pictures, each with a label


def grid_page(title: str, caption: str, lines: Sequence[Line], width: float) -> Figure:
    """Each line's name in bold above its pictures, (h, w, 3) in [0, 1], all lines divided alike."""
    columns = max(len(pictures) for _, pictures in lines)
    side = width / columns - 0.1
    names = [wrapped(name, width - 0.5, SMALL, "bold") for name, _ in lines]
    labels = [[wrapped(label, side) for label, _ in pictures] for _, pictures in lines]
    heights = []
    for name, words, (_, pictures) in zip(names, labels, lines, strict=True):
        above = (name.count("\n") + 1 + max(word.count("\n") + 1 for word in words)) * SMALL * LINE + 0.15
        heights.append(above + side * max(x.shape[0] / x.shape[1] for _, x in pictures))
    with house():
        figure = page(title, caption, width, sum(heights))
        parts = figure.subfigures(len(lines), 1, height_ratios=heights, squeeze=False)[:, 0]
        for part, name, words, (_, pictures) in zip(parts, names, labels, lines, strict=True):
            part.suptitle(name, size=SMALL, weight="bold", x=0.005, ha="left")
            for ax in part.subplots(1, columns, squeeze=False).flat:
                ax.set_axis_off()
                ax.set_anchor("NW")
            for ax, word, (_, pixels) in zip(part.axes, words, pictures, strict=False):
                ax.imshow(pixels, vmin=0, vmax=1)
                ax.set_title(word, loc="left", size=SMALL)
        return figure


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
