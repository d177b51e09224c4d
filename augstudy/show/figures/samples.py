"""Pictures that methods made of themselves: a generator's samples, crops beside their reconstructions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from augstudy.show.base import Results
from augstudy.show.figures.base import NothingToShow, Pixels, contact_sheet, picture_page, read_pixels

__all__ = ["Samples"]

# What an array shows: how many of its pictures belong together, and what they are. Others are told by their names.
TOLD = {
    "samples": (1, "samples are drawn from the prior"),
    "reconstructions": (2, "reconstructions follow, pair by pair, the held-out crops that they were made from"),
    "colours": (3, "colours are threes: a held-out crop in grey, coloured, and as it is"),
    "inpainting": (3, "inpainting is threes: a held-out crop with its hole, filled, and as it is"),
    "learned_views": (
        3,
        "learned_views are threes: a held-out crop, its first view, and both channels of the second as red and green",
    ),
}


@dataclass(frozen=True)
class Samples:
    """Every array in `pictures/` of each row's first finished run that has any; pixels are shown as they are.

    Args:
        limit: at most this many pictures of an array, less where the last would stand without those that it belongs to.
        width: inches.
    """

    limit: int = 64
    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        found = list(_found(results))
        if not found:
            raise NothingToShow("no run has pictures of its method's", f"Run a BiGAN row here: {results.command}")
        sheets = [(f"{row}: {name}", self._sheet(name, pixels)) for row, name, pixels in found]
        return picture_page(results.title, _caption(results, [name for _, name, _ in found]), sheets, self.width)

    def _sheet(self, name: str, pixels: Pixels) -> Pixels:
        group, _ = TOLD.get(name, (1, ""))
        return contact_sheet(pixels[: max(1, self.limit // group) * group] / 255, group=group)


def _found(results: Results) -> Iterator[tuple[str, str, Pixels]]:
    """(row's name, array's name, pixels)."""
    for row in results.distinct_rows:
        for run in row.runs:
            paths = sorted(results.folder.run(run["hash"]).pictures.glob("*.npy"))
            if results.status(run) == "finished" and paths:
                yield from ((row.name, path.stem, read_pixels(path)) for path in paths)
                break


def _caption(results: Results, names: Sequence[str]) -> str:
    told = "; ".join(TOLD[name][1] for name in dict.fromkeys(names) if name in TOLD)
    text = f"What the methods made after training, pixels as they are{': ' if told else ''}{told}."
    return " ".join(s for s in (text, results.image_sentence) if s)
