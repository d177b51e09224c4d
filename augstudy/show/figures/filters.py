"""First-layer filters of every row side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from augstudy.show.base import Results
from augstudy.show.figures.base import NothingToShow, Pixels, contact_sheet, picture_page, read_pixels
from augstudy.show.first_layer import GREY, on_image, ordered, stretched, tiles

__all__ = ["Filters", "filter_page", "how_shown"]

Bank = tuple[str, Pixels]  # name, filters (F, kh, kw, 2 or 3)


@dataclass(frozen=True)
class Filters:
    """The first layer's filters, one panel a row (its first finished seed), each scaled by its own min and max.

    A row that sees slopes (a Sobel front end) has two panels: its weights, and what they make of the image.

    Args:
        grey_below: colourfulness in [0, 1] below which a filter counts as grey and is sorted by its orientation.
        width: inches.
    """

    grey_below: float = GREY
    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        found = list(_found(results))
        if not found:
            raise NothingToShow("no finished run has filters.npy", f"Run the study here first: {results.command}")
        banks = [(name, filters) for name, _, filters in found]
        return filter_page(results.title, _caption(results, found), banks, self.width, self.grey_below)


def filter_page(
    title: str, caption: str, banks: Sequence[Bank], width: float = 7.0, grey_below: float = GREY
) -> Figure:
    """A page of filter banks side by side, each sorted and each filter scaled by itself."""
    sheets = [
        (label, contact_sheet(tiles(stretched(shown)), gap=1))
        for name, filters in banks
        for label, shown in _panels(name, ordered(filters, grey_below))
    ]
    return picture_page(title, caption, sheets, width)


def _panels(name: str, filters: Pixels) -> list[Bank]:
    if filters.shape[-1] == 3:
        return [(name, filters)]
    return [(f"{name}: on slopes across | down", filters), (f"{name}: on the image", on_image(filters))]


def how_shown(banks: Sequence[Bank]) -> str:
    """What a caption says of filters and their scale."""
    sizes = dict.fromkeys(f"{f.shape[0]} filters of {f.shape[1]} x {f.shape[2]} px" for _, f in banks)
    text = (
        f"Raw weights of the first layer, {' or '.join(sizes)}. Each filter is scaled by its own minimum and "
        "maximum, so contrast cannot be compared between filters. Grey filters first, by orientation, then the "
        "coloured ones by colourfulness."
    )
    if any(f.shape[-1] == 2 for _, f in banks):
        text += (
            " Filters behind a Sobel front end: their weights on the slope across and on the slope down side by side, "
            "on one scale; and the grey filter that the front end and they make of the image together."
        )
    return text


def _found(results: Results) -> Iterator[tuple[str, int, Pixels]]:
    """(row name, seed, filters) of the first finished seed of each row."""
    for row in results.distinct_rows:
        for run in row.runs:
            path = results.folder.run(run["hash"]).filters
            if results.status(run) == "finished" and path.exists():
                yield row.name, run["seed"], read_pixels(path).astype(float)
                break


def _caption(results: Results, found: list[tuple[str, int, Pixels]]) -> str:
    seeds = dict.fromkeys(str(seed) for _, seed, _ in found)
    text = f"{how_shown([(name, filters) for name, _, filters in found])} Seed {' or '.join(seeds)}."
    labelled = any(run["data"] in ("full", "images") for row in results.distinct_rows for run in row.runs)
    # Rows with a labelled set of their own have seen its pixels, so its name belongs to the picture too.
    return " ".join(s for s in (text, results.image_sentence, results.probe_sentence if labelled else "") if s)
