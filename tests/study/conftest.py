"""Study files written for one test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from augstudy.study.compose import compose, presets
from augstudy.study.plan import Run, expand

SMOKE = "defaults: [/study, /scale: smoke, _self_]\n"
ROWS = "rows:\n  - {label: random, method: random}\n  - {label: rot, method: rotnet}\n  - {label: mo, method: moco}\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """`write("seeds: [0, 1]")`: a study at smoke scale with three rows and these lines; `head` and `rows` replace."""

    def written(text: str = "", head: str = SMOKE, rows: str = ROWS) -> Path:
        path = tmp_path / "toy.yaml"
        path.write_text(f"{head}{rows}{text}\n")
        return path

    return written


@pytest.fixture
def runs(write: Callable[..., Path]) -> Callable[..., list[Run]]:
    """The runs of such a study, overrides after its lines."""
    return lambda text="", *overrides, **parts: expand(compose(write(text, **parts), overrides), presets())
