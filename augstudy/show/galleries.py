"""Arrays that runs keep for figures of pictures: one .npz file for each gallery and run."""

from dataclasses import dataclass

from augstudy.core.bundle import Arrays, read_arrays
from augstudy.show.base import Results

__all__ = ["Gallery", "galleries"]


@dataclass(frozen=True)
class Gallery:
    """What one row shows.

    Args:
        name: of the row.
        seed: of the run that made it.
        arrays: by name.
    """

    name: str
    seed: int
    arrays: Arrays


def galleries(results: Results, name: str) -> list[Gallery]:
    """The gallery of this name of each row's first finished run that has one.

    Raises:
        UserError: a file is damaged.
    """
    found = []
    for row in results.distinct_rows:
        for run in row.runs:
            path = results.folder.run(run["hash"]).gallery(name)
            if results.status(run) == "finished" and path.exists():
                found.append(Gallery(row.name, run["seed"], read_arrays(path)))
                break
    return found
