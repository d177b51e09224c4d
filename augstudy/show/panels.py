"""A page of small panels under one key: which line is which row is told once, where no panel is covered by it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from augstudy.show.looks import Look
from augstudy.show.style import LINE, SMALL, despine, page, wrapped

__all__ = ["curve", "panels"]

_HANDLE = 0.5  # inches that a line takes up in the key before its name
_MARGINS = 1.1  # inches beside the key, which is as wide as the panels without their numbers and names
_TALL = 1.45  # inches of a panel without its title and labels


def panels(
    title: str, caption: str, key: Mapping[str, Look], titles: Sequence[str], width: float, columns: int = 3
) -> tuple[Figure, list[Axes]]:
    """A page with a panel for each title, at most `columns` side by side, below a key of all lines.

    Args:
        key: name -> look of its line.
        titles: one a panel; long ones are broken into lines.
        width: inches.
    """
    across = 2 if len(titles) == 4 else min(columns, len(titles))
    down = math.ceil(len(titles) / across)
    names, side_by_side, high = _key_size(list(key), width)
    heads = [wrapped(head, width / across - 0.6, SMALL + 0.5) for head in titles]
    each = _TALL + (max(head.count("\n") for head in heads) + 1) * (SMALL + 0.5) * LINE + 0.5
    figure = page(title, caption, width, high + down * each)
    grid = figure.add_gridspec(down + 1, across, height_ratios=[high, *[each] * down])
    legend = figure.add_subplot(grid[0, :], gid="key")
    legend.set_axis_off()
    handles = [legend.plot([], [], **_line(look))[0] for look in key.values()]
    legend.legend(
        handles,
        names,
        loc="upper left",
        ncols=side_by_side,
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        fontsize=SMALL,
    )
    axes = [figure.add_subplot(grid[1 + i // across, i % across]) for i in range(len(titles))]
    for ax, head in zip(axes, heads, strict=True):
        ax.set_title(head, loc="left")
        despine(ax)
    return figure, axes


def curve(ax: Axes, x: Sequence[float], table: pd.DataFrame, look: Look, name: str) -> None:
    """A line through the column mean with a band from low to high; a point with bars where there is but one."""
    at, mean, low, high = (np.asarray(v, dtype=float) for v in (x, table["mean"], table["low"], table["high"]))
    ax.plot(at, mean, label=name, **_line(look if len(at) < 12 else look._replace(marker="")))
    if np.isfinite(low).any() and len(at) > 1:
        ax.fill_between(at, low, high, color=look.colour, alpha=0.15, linewidth=0)
    elif np.isfinite(low).any():
        ax.errorbar(at, mean, [mean - low, high - mean], color=look.colour, linewidth=1, capsize=2, label="_bar")


def _line(look: Look) -> dict[str, Any]:
    """A row's look in matplotlib's words."""
    return {"color": look.colour, "marker": look.marker, "linestyle": look.dash, "markersize": 3.5, "linewidth": 1.3}


def _key_size(names: Sequence[str], width: float) -> tuple[list[str], int, float]:
    """Names broken into lines, how many stand side by side, and how high the key is in inches."""
    for columns, most in ((4, 1), (3, 1), (2, 1), (3, 2), (2, 2), (1, math.inf)):
        broken = [wrapped(name, (width - _MARGINS) / columns - _HANDLE) for name in names]
        if all(name.count("\n") < most for name in broken):
            break
    columns = min(columns, len(names))
    down = math.ceil(len(names) / columns)  # a legend fills column by column
    lines = [max(name.count("\n") + 1 for name in broken[i::down]) for i in range(down)]
    return broken, columns, sum(lines) * SMALL * 1.7 / 72 + 0.12
