"""Pictures that methods made of themselves: a generator's samples, crops beside their reconstructions."""

from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib.figure import Figure

from augstudy.show.base import Results
from augstudy.show.figures.base import NothingToShow, Pixels, contact_sheet, picture_page, read_pixels

__all__ = ["Samples"]


@dataclass(frozen=True)
class Samples:
    """Every array in `pictures/` of each row's first finished run that has any; pixels are shown as they are.

    Args:
        limit: at most this many pictures of an array.
        width: inches.
    """

    limit: int = 64
    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        found = list(_found(results))
        if not found:
            raise NothingToShow("no run has pictures of its method's", f"Run a BiGAN row here: {results.command}")
        sheets = [(name, contact_sheet(pixels[: self.limit] / 255)) for name, pixels in found]
        return picture_page(results.title, _caption(results), sheets, self.width)


def _found(results: Results) -> Iterator[tuple[str, Pixels]]:
    """(row and array's name, pixels)."""
    for row in results.distinct_rows:
        for run in row.runs:
            paths = sorted(results.folder.run(run["hash"]).pictures.glob("*.npy"))
            if results.status(run) == "finished" and paths:
                yield from ((f"{row.name}: {path.stem}", read_pixels(path)) for path in paths)
                break


def _caption(results: Results) -> str:
    text = (
        "What the methods made after training, pixels as they are: samples are drawn from the prior; reconstructions "
        "follow, pair by pair, the held-out crops that they were made from."
    )
    return " ".join(s for s in (text, results.image_sentence) if s)
