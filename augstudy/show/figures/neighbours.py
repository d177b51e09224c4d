"""What each encoder finds alike: test images and the training images nearest to them."""

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from augstudy.core.bundle import Arrays
from augstudy.show.base import Results
from augstudy.show.figures.base import NothingToShow, Pixels, picture_page
from augstudy.show.galleries import galleries
from augstudy.show.grids import enlarged, framed, lines_of_tiles
from augstudy.show.style import line_look

__all__ = ["NeighbourSheet"]

SIDE, FRAME, GAP = 96, 6, 6  # px, of a tile on the sheet


@dataclass(frozen=True)
class NeighbourSheet:
    """One panel a row: a query and its nearest training images in each line, those of its class framed.

    Args:
        width: inches.
    """

    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        found = galleries(results, "neighbours")
        if not found:
            raise NothingToShow("no run has neighbours", f"Run the study here first: {results.command}")
        titles = [f"{one.name}: {100 * float(one.arrays['all_same']):.0f}\N{NO-BREAK SPACE}%" for one in found]
        sheets = [(title, _sheet(one.arrays)) for title, one in zip(titles, found, strict=True)]
        first = found[0].arrays
        seeds = " or ".join(dict.fromkeys(str(one.seed) for one in found))
        layers = " or ".join(dict.fromkeys(str(one.arrays["layer"]) for one in found))
        caption = (
            f"Left in each line a test image ({', '.join(first['classes'].tolist())}), then the "
            f"{first['nearest'].shape[1]} training images nearest to it by cosine at {layers}, seed {seeds}; a blue "
            "frame: of the same class. In per cent: how many such neighbours of all test images are of their class."
        )
        whole = " ".join(text for text in (caption, results.image_sentence, results.probe_sentence) if text)
        return picture_page(results.title, whole, sheets, self.width)


def _sheet(arrays: Arrays) -> Pixels:
    nearest = framed(enlarged(arrays["nearest"] / 255, SIDE), arrays["same"], to_rgb(line_look(0)[0]), FRAME)
    query = enlarged(arrays["query"][:, None] / 255, SIDE)
    left, right = lines_of_tiles(query, GAP), lines_of_tiles(nearest, GAP)
    return np.concatenate([left, np.ones((len(left), 4 * GAP, 3)), right], axis=1)
