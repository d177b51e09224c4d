"""Where transformers look: the attention of [CLS] to the patches of a picture, head by head."""

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from augstudy.core.bundle import Arrays
from augstudy.show.base import Results
from augstudy.show.figures.base import NothingToShow, Pixels
from augstudy.show.galleries import galleries
from augstudy.show.grids import enlarged, grid_page, lines_of_tiles

__all__ = ["AttentionSheet"]


@dataclass(frozen=True)
class AttentionSheet:
    """One line a row: the pictures, the mean over heads, then each head.

    Args:
        width: inches.
        heads: at most so many are shown.
    """

    width: float = 7.0
    heads: int = 6

    def __call__(self, results: Results) -> Figure:
        found = galleries(results, "attention")
        if not found:
            fix = f"Give a row backbone: {{name: vit}} and run the study here: {results.command}"
            raise NothingToShow("no run has maps of attention, which only transformers have", fix)
        lines = [(one.name, self._pictures(one.arrays)) for one in found]
        names = ", ".join(found[0].arrays["names"].tolist())
        seeds = " or ".join(dict.fromkeys(str(one.seed) for one in found))
        caption = (
            f"How much [CLS] heeds each patch of {names}, last block, seed {seeds}: dark not at all, bright most, each "
            "map by itself. In per cent, over how large a share of the patches a head's attention is spread "
            "(exp of its entropy); 100 is all alike."
        )
        return grid_page(results.title, " ".join((caption, results.image_sentence)).strip(), lines, self.width)

    def _pictures(self, arrays: Arrays) -> list[tuple[str, Pixels]]:
        side, maps = arrays["pictures"].shape[2], arrays["maps"]  # (P, heads, h, w)
        spread = arrays["used"].mean(0)
        shown = {"mean of heads": maps.mean(1)}
        shown |= {f"head {i + 1}, {100 * spread[i]:.0f} %": maps[:, i] for i in range(min(self.heads, maps.shape[1]))}
        tiles = {name: coloured(x, side) for name, x in shown.items()}
        tiles = {"picture": arrays["pictures"] / 255, **tiles}
        return [(name, lines_of_tiles(x[:, None], gap=4)) for name, x in tiles.items()]


def coloured(maps: Pixels, side: int) -> Pixels:
    """(P, h, w) -> (P, about `side`, about `side`, 3), each map from 0 to its own largest value."""
    share = maps / np.maximum(maps.max((1, 2), keepdims=True), 1e-12)
    pixels: Pixels = mpl.colormaps["cividis"](share)[..., :3]
    return enlarged(pixels, side)
