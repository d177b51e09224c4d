"""First-layer filters of every row side by side."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from augstudy.show.base import Results
from augstudy.show.figures.base import NothingToShow, Pixels, contact_sheet, picture_page, read_pixels

__all__ = ["Filters"]


@dataclass(frozen=True)
class Filters:
    """The first layer's filters, one panel a row (its first finished seed), each scaled by its own min and max.

    Args:
        grey_below: colourfulness in [0, 1] below which a filter counts as grey and is sorted by its orientation.
        width: inches.
    """

    grey_below: float = 0.25
    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        found = list(_found(results))
        if not found:
            raise NothingToShow("no finished run has filters.npy", f"Run the study here first: {results.command}")
        sheets = [(name, contact_sheet(coloured(stretched(ordered(f, self.grey_below))))) for name, _, f in found]
        return picture_page(results.title, _caption(results, found), sheets, self.width)


def colourfulness(filters: Pixels) -> Pixels:  # (F, kh, kw, 2 or 3) -> (F,)
    """Share in [0, 1] of a filter's spread that lies between its channels: 0 is a grey filter."""
    grey = filters.mean(axis=-1, keepdims=True)
    chroma = ((filters - grey) ** 2).sum(axis=(1, 2, 3))
    total = ((filters - filters.mean(axis=(1, 2, 3), keepdims=True)) ** 2).sum(axis=(1, 2, 3))
    return np.asarray(np.sqrt(chroma / np.maximum(total, np.finfo(float).tiny)))


def orientation(filters: Pixels) -> Pixels:  # (F, kh, kw, 3) -> (F,)
    """Direction of the steepest change in degrees, in [0, 180), from the structure tensor of the grey filter."""
    if min(filters.shape[1:3]) < 2:
        return np.zeros(len(filters))  # a 1 x 1 filter has no direction
    down, right = np.gradient(filters.mean(axis=-1), axis=(1, 2))
    xx, yy, xy = ((a * b).sum(axis=(1, 2)) for a, b in ((right, right), (down, down), (right, down)))
    return np.asarray(np.degrees(np.arctan2(-2 * xy, xx - yy) / 2) % 180)  # rows count downwards, angles go up


def ordered(filters: Pixels, grey_below: float) -> Pixels:
    """Grey filters first, by orientation, then the coloured ones from pale to vivid; equal ones keep their order."""
    # Rounded, so that the last bits of a sum cannot shuffle filters that are as good as equal.
    colour, angle = colourfulness(filters).round(2), orientation(filters).round() % 180
    grey = colour < grey_below
    return filters[np.lexsort((angle, np.where(grey, 0, colour)))]


def stretched(filters: Pixels) -> Pixels:  # (F, kh, kw, 3)
    """Each filter scaled to [0, 1] by its own min and max; a constant filter becomes mid-grey."""
    low, high = (edge(filters, axis=(1, 2, 3), keepdims=True) for edge in (np.min, np.max))
    flat = high <= low
    return np.where(flat, 0.5, (filters - low) / np.where(flat, 1, high - low))


def coloured(filters: Pixels) -> Pixels:  # (F, kh, kw, 2 or 3) -> (F, kh, kw, 3)
    """Three channels as they are; of two, which see slopes, the one across in red and the one down in cyan."""
    return filters if filters.shape[-1] == 3 else filters[..., [0, 1, 1]]


def _found(results: Results) -> Iterator[tuple[str, int, Pixels]]:
    """(row name, seed, filters) of the first finished seed of each row."""
    for row in results.distinct_rows:
        for run in row.runs:
            path = results.folder.run(run["hash"]).filters
            if results.status(run) == "finished" and path.exists():
                yield row.name, run["seed"], read_pixels(path).astype(float)
                break


def _caption(results: Results, found: list[tuple[str, int, Pixels]]) -> str:
    sizes = dict.fromkeys(f"{f.shape[0]} filters of {f.shape[1]} x {f.shape[2]} px" for _, _, f in found)
    seeds = dict.fromkeys(str(seed) for _, seed, _ in found)
    text = (
        f"Raw weights of the first layer, {' or '.join(sizes)}, seed {' or '.join(seeds)}. Each filter is scaled to "
        "[0, 1] by its own minimum and maximum, so contrast cannot be compared between filters. Grey filters first, "
        "by orientation, then the coloured ones by colourfulness."
    )
    if any(f.shape[-1] == 2 for _, _, f in found):
        text += " Filters on Sobel gradients: weights on the slope across in red, on the slope down in cyan."
    labelled = any(run["data"] in ("full", "images") for row in results.distinct_rows for run in row.runs)
    # Rows with a labelled set of their own have seen its pixels, so its name belongs to the picture too.
    return " ".join(s for s in (text, results.image_sentence, results.probe_sentence if labelled else "") if s)
