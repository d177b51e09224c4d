"""Which classes nearest neighbours take for which, in each encoder's last layer."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from augstudy.show.base import Results
from augstudy.show.figures.base import NothingToShow
from augstudy.show.galleries import galleries
from augstudy.show.style import LINE, SMALL, house, page, wrapped

__all__ = ["ConfusionMaps"]

NAMED = 24  # classes; more have no room for their names
COLUMNS = 3


@dataclass(frozen=True)
class ConfusionMaps:
    """One heat map a row: true classes down, guessed ones across, in per cent of the true class.

    Args:
        width: inches.
    """

    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        found = galleries(results, "confusions")
        if not found:
            raise NothingToShow("no run has confusions", f"Run the study here first: {results.command}")
        classes = found[0].arrays["classes"].tolist()
        ticks = classes if len(classes) <= NAMED else False
        columns = min(COLUMNS, len(found))
        down = math.ceil(len(found) / columns)
        margin = 0.09 * max(map(len, classes)) if ticks else 0.1  # inches, for the names of classes
        side = min((self.width - margin) / columns - 0.15, 3.0)
        names = [wrapped(_name(one.name, one.arrays["counts"]), side) for one in found]
        above = (max(name.count("\n") for name in names) + 1) * SMALL * LINE + 0.1
        seeds = " or ".join(dict.fromkeys(str(one.seed) for one in found))
        layers = " or ".join(dict.fromkeys(str(one.arrays["layer"]) for one in found))
        caption = (
            f"Weighted nearest neighbours at {layers}, seed {seeds}: share of each true class (down) that is taken for "
            "each class (across). Above each map: the share that is right. One colour scale for all."
        )
        with house():
            whole = " ".join(text for text in (caption, results.image_sentence, results.probe_sentence) if text)
            figure = page(results.title, whole, self.width, down * (side + above) + margin + 0.7)
            axes = figure.subplots(down, columns, squeeze=False, sharex=True, sharey=True)
            for ax in axes.flat[len(found) :]:
                ax.set_axis_off()
            for ax, name, one in zip(axes.flat, names, found, strict=False):
                counts = one.arrays["counts"]
                shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
                frame = pd.DataFrame(shares, index=classes, columns=classes)
                sns.heatmap(
                    frame, ax=ax, vmin=0, vmax=100, cmap="cividis", cbar=False, square=True,
                    xticklabels=ticks, yticklabels=ticks,
                )  # fmt: skip
                ax.set_title(name, loc="left", size=SMALL)
                ax.tick_params(length=0)
            for number, ax in enumerate(axes.flat[: len(found)]):
                ax.set_ylabel("true class" if number % columns == 0 else "")
                last = number + columns >= len(found)
                ax.tick_params(labelbottom=bool(ticks) and last, labelrotation=0)
                ax.tick_params(axis="x", labelrotation=90)
                ax.set_xlabel("taken for" if last else "")
            bar = figure.colorbar(axes.flat[0].collections[0], ax=axes, location="top", aspect=60, shrink=0.6, pad=0.02)
            bar.set_label("share of the true class, %", size=SMALL)
            return figure


def _name(row: str, counts: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> str:
    return f"{row}: {100 * np.trace(counts) / max(counts.sum(), 1):.1f} %"
