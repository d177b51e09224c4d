"""First layers in numbers: which directions and how fine, how many coloured, dead and double."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from augstudy.show.base import Results
from augstudy.show.figures.base import NothingToShow, Pixels, read_pixels
from augstudy.show.first_layer import ANGLES, DEAD, FREQUENCIES, GREY, TWIN, FilterStatistics, statistics
from augstudy.show.style import GREY as TEXT
from augstudy.show.style import LINE, SMALL, house, page, wrapped

__all__ = ["FilterNumbers", "how_counted", "mean_statistics"]

SHARES = ("coloured", "dead", "duplicate")
ENDS = (1.0, 1.75, 2.9)  # where their columns end


@dataclass(frozen=True)
class FilterNumbers:
    """One line a row, means over its finished seeds: histograms of orientation and frequency, and three shares.

    Args:
        width: inches.
    """

    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        found = {row.name: banks for row in results.distinct_rows if (banks := list(_banks(results, row.runs)))}
        if not found:
            raise NothingToShow("no finished run has filters.npy", f"Run the study here first: {results.command}")
        numbers = {name: mean_statistics(banks) for name, banks in found.items()}
        labels = [wrapped(name, 0.25 * self.width) for name in numbers]
        heights = [(label.count("\n") + 1) * SMALL * LINE + 0.1 for label in labels]
        seeds = sorted({len(banks) for banks in found.values()})
        caption = (
            f"{how_counted()} Mean over {' or '.join(map(str, seeds))} seed{'s' if seeds != [1] else ''}. "
            f"{results.image_sentence}"
        )
        with house():
            figure = page(results.title, caption.strip(), self.width, 0.95 + len(labels) * max(heights))
            left, middle, right = figure.subplots(1, 3, width_ratios=(8, 10, 9.5))
            _histogram(left, labels, [n.orientation for n in numbers.values()], "orientation, degrees")
            left.set_xticks(np.arange(0.5, 8, 2), [f"{a:.0f}" for a in ANGLES[::2]], rotation=0)
            left.set_yticks(np.arange(len(labels)) + 0.5, labels, rotation=0)
            _histogram(middle, labels, [n.frequency for n in numbers.values()], "mean frequency, cycles/px")
            middle.set_xticks(np.arange(0, 11, 2), [f"{f:.1f}" for f in FREQUENCIES[::2]], rotation=0)
            middle.set_yticks([])
            _shares(right, labels, list(numbers.values()))
            bar = figure.colorbar(left.collections[0], ax=(left, middle), location="top", aspect=50, pad=0.02)
            bar.set_label("share of the row's filters, %", size=SMALL)
            return figure


def mean_statistics(banks: Sequence[Pixels]) -> FilterStatistics:
    """The statistics of several first layers, averaged."""
    each = [statistics(bank) for bank in banks]
    names = ("orientation", "frequency", "coloured", "dead", "duplicate")
    means = {name: np.mean([getattr(one, name) for one in each], axis=0) for name in names}
    return FilterStatistics(count=each[0].count, **means)


def how_counted() -> str:
    """What a caption says of the numbers and their thresholds."""
    return (
        "Orientation: the direction in which a filter changes, counter-clockwise, 0 being a vertical edge; each filter "
        "counts by its coherence. Frequency: centroid of the power spectrum; white noise has 0.38. Coloured: "
        f"colourfulness {GREY:g} or more. Dead: root mean square below {DEAD:g} of the layer's median, so 1 % of the "
        "usual power. "
        f"Duplicate: another filter at a cosine of {TWIN:g} or more, so with four fifths of the power in common. "
        "Of a network with a Sobel front end, the filters that it and the weights make together."
    )


def _histogram(ax: Axes, labels: Sequence[str], shares: Sequence[Pixels], name: str) -> None:
    """One line a row, one column a bin; all on one scale, 0 to 50 %."""
    frame = pd.DataFrame(100 * np.stack(shares), index=range(len(labels)))
    sns.heatmap(frame, ax=ax, vmin=0, vmax=50, cmap="cividis", cbar=False, linewidths=0.5, rasterized=False)
    ax.set_xlabel(name)
    ax.set_ylabel("")
    ax.tick_params(length=0)


def _shares(ax: Axes, labels: Sequence[str], numbers: Sequence[FilterStatistics]) -> None:
    """The three shares as a small table in per cent."""
    ax.set(xlim=(0, 3), ylim=(len(labels), 0), xticks=[], yticks=[])
    ax.set_frame_on(False)
    for column, name in enumerate(SHARES):
        ax.text(ENDS[column], -0.15, name, ha="right", va="bottom", color=TEXT)
        for line, one in enumerate(numbers):
            share = (one.coloured, one.dead, one.duplicate)[column]
            ax.text(
                ENDS[column], line + 0.5, "-" if np.isnan(share) else f"{100 * share:.0f} %", ha="right", va="center"
            )


def _banks(results: Results, runs: Sequence[dict[str, object]]) -> Iterator[Pixels]:
    """First-layer filters of the finished seeds."""
    for run in runs:
        path = results.folder.run(str(run["hash"])).filters
        if results.status(run) == "finished" and path.exists():
            yield read_pixels(path).astype(float)
