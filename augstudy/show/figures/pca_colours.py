"""What each layer finds alike in a picture: its features' leading principal components as colours."""

from dataclasses import dataclass

from matplotlib.figure import Figure

from augstudy.core.bundle import Arrays
from augstudy.show.base import Results
from augstudy.show.figures.base import NothingToShow, Pixels
from augstudy.show.galleries import galleries
from augstudy.show.grids import enlarged, grid_page, lines_of_tiles

__all__ = ["PCASheet"]


@dataclass(frozen=True)
class PCASheet:
    """One line a row: the pictures, then their places' colours at every layer.

    Args:
        width: inches.
    """

    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        found = galleries(results, "pca_colours")
        if not found:
            raise NothingToShow("no run has PCA colours", f"Run the study here first: {results.command}")
        lines = [(one.name, _pictures(one.arrays)) for one in found]
        names = ", ".join(found[0].arrays["names"].tolist())
        seeds = " or ".join(dict.fromkeys(str(one.seed) for one in found))
        caption = (
            f"The three leading principal components of each layer's features over all places of "
            f"{names} as red, green and blue, seed {seeds}; in per cent, how much of the variance they hold. Places "
            "of like colour have like features; colours cannot be compared between layers or rows."
        )
        return grid_page(results.title, " ".join((caption, results.image_sentence)).strip(), lines, self.width)


def _pictures(arrays: Arrays) -> list[tuple[str, Pixels]]:
    side = arrays["pictures"].shape[2]
    labels = [f"{name}, {100 * share:.0f} %" for name, share in zip(arrays["layers"], arrays["shown"], strict=True)]
    maps = [arrays["pictures"], *(arrays[f"map_{i}"] for i in range(len(labels)))]
    tiles = [lines_of_tiles(enlarged(x, side)[:, None] / 255, gap=4) for x in maps]
    return list(zip(["picture", *labels], tiles, strict=True))
