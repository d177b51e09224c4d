"""Contact sheets of the crops that each corpus is made of."""

from collections.abc import Iterator
from dataclasses import dataclass

from matplotlib.figure import Figure

from augstudy.show.base import Results
from augstudy.show.figures.base import NothingToShow, Pixels, contact_sheet, picture_page, read_pixels

__all__ = ["CorpusSheet"]


@dataclass(frozen=True)
class CorpusSheet:
    """Sample crops of each distinct corpus, as its first run saw them; pixels are shown as they are.

    Args:
        limit: at most this many crops of a corpus that has the page to itself.
        several: and of each where there are several, for they would be too small to see.
        width: inches.
    """

    limit: int = 64
    several: int = 16
    width: float = 7.0

    def __call__(self, results: Results) -> Figure:
        found = list(_found(results))
        if not found:
            raise NothingToShow("no run has crops.npy", f"Run a study on an image corpus here: {results.command}")
        names = [name for name, _, _ in found]
        # a sheet alone fills the page's width
        limit, shape = (self.limit, 4.0) if len(found) == 1 else (self.several, 1.0)
        sheets = [
            (
                name if names.count(name) == 1 else f"{name} ({row})",
                contact_sheet(crops[:limit] / 255, gap=2, shape=shape),
            )
            for name, row, crops in found
        ]
        return picture_page(results.title, _caption(results, found, limit), sheets, self.width)


def _found(results: Results) -> Iterator[tuple[str, str, Pixels]]:
    """(corpus, first row, crops): rows share a corpus if data and image have the same names and the crops agree."""
    seen = set()
    for row in results.distinct_rows:
        paths = ((run, results.folder.run(run["hash"]).crops) for run in row.runs)
        run, path = next(((run, path) for run, path in paths if path.exists()), (None, None))
        if run is None or path is None:
            continue
        crops = read_pixels(path)
        key = (run["data"], run["image"], crops.tobytes())
        if key not in seen:
            seen.add(key)
            yield f"{run['data']}: {run['image']}", row.name, crops


def _caption(results: Results, found: list[tuple[str, str, Pixels]], limit: int) -> str:
    sizes = dict.fromkeys(f"{min(len(c), limit)} crops of {c.shape[1]} x {c.shape[2]} px" for _, _, c in found)
    credit = (results.index.get("image") or {}).get("credit")
    lines = [f"Sample of the corpus: {' or '.join(sizes)}.", results.image_sentence]
    return " ".join(line for line in (*lines, f"Credit: {credit}." if credit else "") if line)
