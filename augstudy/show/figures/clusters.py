"""Clusters that methods trained on: the crops of the tightest, of the largest, and of some drawn at random."""

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
        found = galleries(results, "clusters")
        if not found:
            raise NothingToShow("no run has clusters", f"Run a DeepCluster row here: {results.command}")
        lines = [
            (_name(one), [(_label(kind, one.arrays), _sheet(kind, one.arrays)) for kind in _kinds(one)])
            for one in found
        ]
        caption = (
            "Clusters of the last epoch, each line of crops one cluster; crops of a cluster are drawn at random. "
            "Tightest: least mean squared distance of features of length 1 to their mean; largest and random: of those "
            "not shown yet."
        )
        if any(not np.isnan(float(one.arrays["mean_purity"])) for one in found):
            caption += " Purity: share of the most frequent class, beside that of classes dealt at random."
        return grid_page(results.title, " ".join((caption, results.image_sentence)).strip(), lines, self.width)


def _kinds(one: Gallery) -> list[str]:
    return list(dict.fromkeys(one.arrays["kind"].tolist()))


def _name(one: Gallery) -> str:
    purity, chance = float(one.arrays["mean_purity"]), float(one.arrays["chance_purity"])
    told = "" if np.isnan(purity) else f", purity {100 * purity:.0f} % (dealt at random: {100 * chance:.0f} %)"
    return f"{one.name}, seed {one.seed}: {int(one.arrays['clusters'])} clusters{told}"


def _label(kind: str, arrays: Arrays) -> str:
    """`tightest: 71, 66, 80 crops; purity 31, 24, 29 %`."""
    mine = arrays["kind"] == kind
    sizes = ", ".join(f"{size}" for size in arrays["size"][mine])
    purity = arrays["purity"][mine]
    told = "" if np.isnan(purity).any() else f"; purity {', '.join(f'{100 * p:.0f}' for p in purity)} %"
    return f"{kind}: {sizes} crops{told}"


def _sheet(kind: str, arrays: Arrays) -> Pixels:
    return lines_of_tiles(arrays["crops"][arrays["kind"] == kind] / 255)
