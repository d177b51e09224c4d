"""Pairs of views along the axis of a study's sweep: what its control does to the pixels."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from augstudy.show.base import Results, Row
from augstudy.show.figures.base import NothingToShow, Pixels, read_pixels
from augstudy.show.style import SMALL, house, page, wrapped

__all__ = ["ViewAxis"]

_LABEL, _GAP = 1.2, 0.15  # inches: for the words beside a strip, and between strips


@dataclass(frozen=True)
class ViewAxis:
    """A strip of pairs a place of the sweep, of each row's first finished run; the same crops in every strip.

    Args:
        limit: at most this many pairs.
        width: inches.
    """

    limit: int = 12
    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        strips = [(row, pixels) for row in results.distinct_rows if (pixels := self._pixels(results, row)) is not None]
        if not strips:
            raise NothingToShow("no run has views to show", f"Run a row of SimCLR or MoCo here: {results.command}")
        pairs = min(self.limit, *(len(pixels) // 2 for _, pixels in strips))
        height = (self.width - _LABEL) / pairs * 2  # of a strip
        with house():
            figure = page(results.title, self._caption(results), self.width, len(strips) * (height + _GAP))
            shares = {"width_ratios": (_LABEL, self.width - _LABEL)}
            for (words, ax), (row, pixels) in zip(
                figure.subplots(len(strips), 2, squeeze=False, gridspec_kw=shares), strips, strict=True
            ):
                ax.imshow(strip(pixels[: 2 * pairs]), vmin=0, vmax=1)
                words.text(1, 0.5, wrapped(_name(row), _LABEL - 0.2), ha="right", va="center", size=SMALL, gid="place")
                for part in (words, ax):
                    part.set_axis_off()
        return figure

    def _pixels(self, results: Results, row: Row) -> Pixels | None:
        """Views in turn, (2 n, h, w, 3) uint8."""
        for run in row.runs:
            path = results.folder.run(run["hash"]).views
            if results.status(run) == "finished" and path.exists():
                return read_pixels(path)
        return None

    def _caption(self, results: Results) -> str:
        text = (
            "In each strip the first views above, the second below, as the networks saw them in training; a view of "
            "one channel is shown in grey, one of two channels as red and green."
        )
        return " ".join(s for s in (text, results.image_sentence) if s)


def _name(row: Row) -> str:
    """The places on the axes alone: a study along one axis has few labels, and the title says what it is about."""
    return row.name.removeprefix(f"{row.label}, ")


def strip(pixels: Pixels) -> Pixels:
    """First views over second ones, a white pixel between neighbours: (2 n, h, w, 3) -> (2 h + 1, n (w + 1) - 1, 3)."""
    tiles = pixels.astype(np.float64) / 255
    _, h, w, _ = tiles.shape
    sheet = np.ones((2 * h + 1, len(tiles) // 2 * (w + 1) - 1, 3))
    for i, tile in enumerate(tiles):
        top, left = i % 2 * (h + 1), i // 2 * (w + 1)
        sheet[top : top + h, left : left + w] = tile
    return sheet
