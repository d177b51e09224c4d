"""A synthetic study on disk, for everything that reads one."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from augstudy.core import registry
from augstudy.core.store import StudyFolder
from augstudy.show.base import Results, load
from augstudy.show.figures.base import NothingToShow

from .synthetic import (
    LINES,
    records_of,
    study_index,
    write_curves,
    write_few_labels,
    write_informed,
    write_pictures,
    write_probed,
    write_study,
)

Make = Callable[..., StudyFolder]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a synthetic study whose runs are all finished, with pictures; `index` replaces the usual one."""

    def made(index: dict[str, Any] | None = None, where: str = "synthetic", **options: Any) -> StudyFolder:
        index = index or study_index(LINES, (0, 1, 2))
        folder = write_study(StudyFolder(tmp_path / where), index, records_of(index, **options))
        write_pictures(folder, index)
        write_curves(folder, index)
        return folder

    return made


def whole(path: Path, index: dict[str, Any]) -> Results:
    """A study whose runs are all finished, with pictures and curves, written and read."""
    folder = write_study(StudyFolder(path / "synthetic"), index, records_of(index))
    write_pictures(folder, index)
    write_curves(folder, index)
    return load(folder)


@pytest.fixture(scope="session")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The results of the usual study, read once, for tests that only look."""
    return whole(tmp_path_factory.mktemp("usual"), study_index(LINES, (0, 1, 2)))


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Four rows over one axis of three values, three seeds."""
    return whole(tmp_path_factory.mktemp("swept"), study_index(LINES[1:5], (0, 1, 2), (0.07, 0.2, 1.0)))


@pytest.fixture(scope="session")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Two rows over two axes of three and two values, one seed."""
    return whole(tmp_path_factory.mktemp("crossed"), study_index(LINES[1:3], (0,), (0.07, 0.2, 1.0), (0.5, 2)))


@pytest.fixture(scope="session")
def informed(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """One row over one axis of five values, three seeds, with an estimate of mutual information."""
    return load(write_informed(tmp_path_factory.mktemp("informed") / "synthetic"))


@pytest.fixture(scope="session")
def few_labels(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Five rows, two seeds, with accuracies on shares of the labels."""
    return load(write_few_labels(tmp_path_factory.mktemp("few_labels") / "synthetic"))


@pytest.fixture(scope="session")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Six rows, two seeds, three probes."""
    return load(write_probed(tmp_path_factory.mktemp("probed") / "synthetic"))


@pytest.fixture
def showing(
    usual: Results, swept: Results, crossed: Results, informed: Results, few_labels: Results, probed: Results
) -> Callable[[str], Figure]:
    """`showing("cost")`: the figure of the first of the studies above that it has anything to show of."""

    def shown(name: str) -> Figure:
        picture = registry.find("show.figures", name)()
        for results in (usual, swept, crossed, informed, few_labels, probed):
            with suppress(NothingToShow):
                return picture(results)
        raise AssertionError(f"{name} shows nothing of any synthetic study: give one what it needs")

    return shown
