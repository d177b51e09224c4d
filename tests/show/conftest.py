"""A synthetic study on disk, for everything that reads one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augstudy.core.store import StudyFolder
from augstudy.show.base import Results, load

from .synthetic import LINES, records_of, study_index, write_pictures, write_study

Make = Callable[..., StudyFolder]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a synthetic study whose runs are all finished, with pictures; `index` replaces the usual one."""

    def made(index: dict[str, Any] | None = None, where: str = "synthetic", **options: Any) -> StudyFolder:
        index = index or study_index(LINES, (0, 1, 2))
        folder = write_study(StudyFolder(tmp_path / where), index, records_of(index, **options))
        write_pictures(folder, index)
        return folder

    return made


@pytest.fixture(scope="session")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The results of the usual study, read once, for tests that only look."""
    index = study_index(LINES, (0, 1, 2))
    folder = write_study(StudyFolder(tmp_path_factory.mktemp("usual") / "synthetic"), index, records_of(index))
    write_pictures(folder, index)
    return load(folder)
