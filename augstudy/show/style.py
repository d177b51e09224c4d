"""One style for all figures: palette, fonts, the page with its title and caption, and files that are equal bytes."""

import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from augstudy.core.store import replacing

__all__ = [
    "GREY",
    "INK",
    "KINDS",
    "LINE",
    "SMALL",
    "around",
    "despine",
    "house",
    "line_look",
    "page",
    "save",
    "wrapped",
]

SMALL, TITLE = 8.0, 10.0  # points; nothing in a figure is smaller than SMALL
LINE = 1.3 / 72  # inches from line to line for each point of the letters
INK, GREY = "#222222", "#666666"
_MARGIN = 0.12  # inches of white around the page

# Okabe and Ito, "Color Universal Design", 2008, without black (the references) and yellow (too pale on white).
_PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_MARKERS = ("o", "s", "^", "D")  # when the colours start again, the marker tells the lines apart

KINDS = ("png", "svg")  # of files that a figure is saved as unless told
# What matplotlib writes into a file of its own accord: its version and the time, which would differ from run to run.
_UNSAID: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}

_RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so a figure is the same everywhere
    "font.size": SMALL,
    "axes.labelsize": SMALL,
    "axes.titlesize": SMALL + 0.5,
    "axes.linewidth": 0.8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a label is a dollar sign
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "augstudy",
    "pdf.fonttype": 42,  # letters stay letters, which journals ask for
    "image.interpolation": "nearest",
}


@contextmanager
def house() -> Iterator[None]:
    """The house style for what is drawn or saved inside; nothing outside is touched."""
    look = {**sns.axes_style("ticks"), **sns.plotting_context("paper"), **_RC}
    with _boxes_for_strange_letters(), matplotlib.rc_context(look):
        yield


def line_look(position: int) -> tuple[str, str]:
    """(colour, marker) of the line at this position; both repeat only after 24 lines."""
    return _PALETTE[position % len(_PALETTE)], _MARKERS[position // len(_PALETTE) % len(_MARKERS)]


@lru_cache(maxsize=4096)
def wrapped(text: str, width: float, size: float = SMALL, weight: str = "normal") -> str:
    """Text broken into lines of at most `width` inches at `size` points, as measured in the house font."""
    limit = width * 72 * 0.96  # hinting at low resolution draws letters up to 3 % wider than they are measured
    for letters in range(max(8, int(width * 72 / (0.4 * size))), 7, -1):  # few lines are narrower than 0.4 em a letter
        lines = textwrap.wrap(text, letters)
        if all(_points_wide(line, size, weight) <= limit for line in lines):
            break
    return "\n".join(lines)


@lru_cache(maxsize=4096)
def _points_wide(line: str, size: float, weight: str) -> float:
    with _boxes_for_strange_letters():
        font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
        width: float = text_to_path.get_text_width_height_descent(line, font, False)[0]
    return width


@contextmanager
def _boxes_for_strange_letters() -> Iterator[None]:
    """A letter that the house font lacks is drawn as a box without a word: the table and the report have it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"(?s)Glyph \d+ .* missing from font")
        yield


def around(title: int, caption: int) -> tuple[float, float]:
    """Inches that a title of some lines takes up at the top of a page, and a caption at its foot."""
    return title * TITLE * LINE + 2 * _MARGIN, caption * SMALL * LINE + 2 * _MARGIN


def page(title: str, caption: str, width: float, body: float) -> Figure:
    """An empty figure with its title above and its caption below; axes added to it fill the room between.

    Args:
        width: inches.
        body: height in inches of what is drawn between title and caption.
    """
    text = width - 2 * _MARGIN
    title, caption = wrapped(title, text, TITLE, "bold"), wrapped(caption, text)
    above, below = around(title.count("\n") + 1, caption.count("\n") + 1)
    height = above + body + below
    figure = Figure(figsize=(width, height))
    left = _MARGIN / width
    figure.text(left, 1 - _MARGIN / height, title, size=TITLE, weight="bold", va="top", ha="left", gid="title")
    figure.text(left, _MARGIN / height, caption, color=GREY, va="bottom", ha="left", linespacing=1.25, gid="caption")
    room = (left, below / height, 1 - 2 * left, body / height)
    figure.set_layout_engine("constrained", rect=room, w_pad=0.02, h_pad=0.02)
    return figure


def despine(axes: Axes) -> None:
    """Only the left and the lower axis line."""
    sns.despine(ax=axes)


def save(figure: Figure, stem: Path, kinds: Sequence[str] = KINDS) -> list[Path]:
    """Write `<stem>.<kind>` for each kind (pixels at 200 dpi), whole or not at all; equal figures give equal bytes."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in kinds]
    with house():
        for path, kind in zip(paths, kinds, strict=True):
            with replacing(path) as temporary:
                figure.savefig(temporary, format=kind, dpi=200, metadata=_UNSAID[kind])
    return paths
