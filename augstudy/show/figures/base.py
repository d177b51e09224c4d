"""What a figure is, and the one place where figures become files."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from matplotlib.figure import Figure

from augstudy.core import registry
from augstudy.core.errors import UserError
from augstudy.core.store import sweep
from augstudy.show.base import Results
from augstudy.show.style import KINDS, LINE, SMALL, house, page, save, wrapped

__all__ = ["NothingToShow", "Picture", "Pixels", "contact_sheet", "draw", "picture_page", "read_pixels"]

Pixels = np.ndarray[Any, np.dtype[Any]]


class Picture(Protocol):
    """A figure: a frozen dataclass, its settings as fields, that draws results without touching files."""

    def __call__(self, results: Results) -> Figure:
        """Raises NothingToShow when the results hold nothing for this figure."""
        ...


class NothingToShow(UserError):
    """The results hold nothing that this figure could draw."""


def draw(
    results: Results, only: Sequence[str] | None = None, keep: bool = False, kinds: Sequence[str] = KINDS
) -> list[Path]:
    """Draw the study's figures, or `only` these, and save each as figures/<name>.<kind>: png and svg, or pdf.

    With `keep`, those whose files are there are not drawn again. What a killed process left half-written goes.

    A figure of the study that has nothing to show yet is left out, and a file that it has from before stays: arrays
    such as filters are not kept in the repository, the figures made from them are.

    Raises:
        UserError: a figure in `only` is unknown or has nothing to show.
    """
    sweep(results.folder.figures)
    paths: list[Path] = []
    for name in results.index.get("figures") or [] if only is None else only:
        there = [results.folder.figures / f"{name}.{kind}" for kind in kinds]
        if keep and all(path.exists() for path in there):
            paths += there
            continue
        picture: Picture = registry.find("show.figures", name)()
        try:
            figure = picture(results)
        except NothingToShow as error:
            if only is None:
                continue
            raise error.at(f"figure {name}") from None
        paths += save(figure, results.folder.figures / name, kinds)
    return paths


def read_pixels(path: Path) -> Pixels:
    """An array of pictures or of filters, (n, h, w, 3), or (n, h, w, 2) for filters of networks that see edges.

    Raises:
        UserError: the file is not such an array.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f"{path} is not readable ({error})", "Delete its run folder and run the study again.") from None
    if array.ndim != 4 or array.shape[-1] not in (2, 3) or not array.size:
        raise UserError(f"{path} has shape {array.shape}, not (n, h, w, 3)", "Delete its run folder and run it again.")
    return np.asarray(array)


def contact_sheet(
    tiles: Pixels, gap: int = 1, shape: float = 1.0, group: int = 1
) -> Pixels:  # (n, h, w, 3) -> (H, W, 3)
    """All pictures on one sheet about `shape` times as wide as high, `gap` white pixels apart; values in [0, 1].

    Args:
        group: so many pictures, which belong together, stand in one line.
    """
    count, h, w = tiles.shape[:3]
    columns = math.ceil(math.sqrt(count * shape * h / w) / group) * group
    rows = math.ceil(count / columns)
    sheet = np.ones((rows * (h + gap) - gap, columns * (w + gap) - gap, 3))
    for i, tile in enumerate(tiles):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        sheet[top : top + h, left : left + w] = tile
    return sheet


def picture_page(title: str, caption: str, pictures: Sequence[tuple[str, Pixels]], width: float) -> Figure:
    """A page of labelled pictures in the house style, at most four side by side, `width` inches wide."""
    count = len(pictures)
    columns = count if count <= 4 else 3 if count <= 6 else 4
    rows = math.ceil(count / columns)
    tall = max(sheet.shape[0] / sheet.shape[1] for _, sheet in pictures)
    side = min(width / columns, 3.2 / min(tall, 1))
    names = [wrapped(name, side - 0.25) for name, _ in pictures]
    labels = (max(name.count("\n") for name in names) + 1) * SMALL * LINE + 0.1
    with house():
        figure = page(title, caption, width, rows * (labels + side * tall))
        for ax in figure.subplots(rows, columns, squeeze=False, gridspec_kw={"wspace": 0.1}).flat:
            ax.set_axis_off()
            ax.set_anchor("NW")
        for ax, name, (_, sheet) in zip(figure.axes, names, pictures, strict=False):  # the last row may not be full
            ax.imshow(sheet, vmin=0, vmax=1)
            ax.set_title(name, loc="left", size=SMALL)
        return figure
