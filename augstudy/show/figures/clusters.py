"""Clusters that methods trained on: their crops, and the labelled images nearest to them."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from augstudy.core.bundle import Arrays
from augstudy.show.base import Results
from augstudy.show.figures.base import NothingToShow, Pixels
from augstudy.show.galleries import Gallery, galleries
from augstudy.show.grids import grid_page, lines_of_tiles

__all__ = ["ClusterSheet"]


@dataclass(frozen=True)
class ClusterSheet:
    """One line a row that clusters, a column each for the tightest, the largest and the drawn clusters.

    Args:
        width: inches.
    """

    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        # A gallery made before test images were given out has none to draw.
        found = [one for one in galleries(results, "clusters") if "images" in one.arrays]
        if not found:
            raise NothingToShow("no run has clusters", f"Run a DeepCluster row here: {results.command}")
        lines = [
            (_name(one), [(_label(kind, one.arrays), _sheet(kind, one.arrays)) for kind in _kinds(one)])
            for one in found
        ]
        caption = (
            "Clusters of the last epoch, a line each: crops drawn at random, and behind the gap the nearest of the "
            "labelled test images, each of which is given to the cluster whose mean feature is nearest (a dash: too "
            "small to have a mean). Tightest: least mean squared distance of features of length 1 to their mean; "
            "largest and drawn: of those not shown yet. Purity: share of the most frequent class, beside that of "
            "classes dealt at random."
        )
        whole = " ".join(text for text in (caption, results.image_sentence, results.probe_sentence) if text)
        return grid_page(results.title, whole, lines, self.width)


def _kinds(one: Gallery) -> list[str]:
    return list(dict.fromkeys(one.arrays["kind"].tolist()))


def _name(one: Gallery) -> str:
    told = [_purity(one.arrays, "image_", "test images"), _purity(one.arrays, "", "crops")]
    return ", ".join([f"{one.name}, seed {one.seed}: {int(one.arrays['clusters'])} clusters", *filter(None, told)])


def _purity(arrays: Arrays, which: str, of: str) -> str:
    """`purity of test images 31 % (dealt at random: 14 %)`, or "" where it is not known."""
    mean, chance = (100 * float(arrays[f"{which}{name}_purity"]) for name in ("mean", "chance"))
    return "" if np.isnan(mean) else f"purity of {of} {mean:.0f} % (dealt at random: {chance:.0f} %)"


def _label(kind: str, arrays: Arrays) -> str:
    """Each cluster's crops, and its test images: `tightest: 71, 66 crops; 12 (42 % ship), 0 test images`.

    A cluster too small to have a mean was given none, and has a dash.
    """
    mine = arrays["kind"] == kind
    sizes = ", ".join(f"{size}" for size in arrays["size"][mine])
    given = [
        f"{size} ({100 * share:.0f} % {name})" if size > 0 else "0" if size == 0 else "-"
        for size, share, name in zip(*(arrays[f"image_{x}"][mine] for x in ("size", "purity", "class")), strict=True)
    ]
    return f"{kind}: {sizes} crops; {', '.join(given)} test images"


def _sheet(kind: str, arrays: Arrays) -> Pixels:
    """A line a cluster: its crops, a gap, its test images."""
    mine = arrays["kind"] == kind
    crops, images = (lines_of_tiles(arrays[name][mine] / 255) for name in ("crops", "images"))
    gap = np.ones((len(crops), arrays["crops"].shape[-2] // 2, 3))
    return np.concatenate((crops, gap, images), 1)
