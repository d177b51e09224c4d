"""A study of 1,000 runs is planned and listed in seconds."""

import time

import pytest

from augstudy.study.check import inspect
from augstudy.study.compose import compose
from augstudy.study.pipeline import Laboratory

HERE = "image: {name: hubble}\nprobe_data: {name: photos, settings: {train_per_class: 5, test_per_class: 5}}\n"
ROWS = "rows:\n" + "".join(f"  - {{label: {m}, method: {m}}}\n" for m in ("rotnet", "moco", "simclr", "deepcluster"))
SWEEP = "sweep: {view.strength: [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.25], "
SWEEP += "method.lr: [0.01, 0.02, 0.03, 0.04, 0.05]}\n"
SECONDS = 40.0  # of CPU; measured: 9, on two cores that did much else


@pytest.mark.slow
def test_a_thousand_runs_are_planned_and_listed_in_seconds(write, tmp_path):
    path = write(f"{HERE}{SWEEP}seeds: [0, 1, 2, 3, 4]\nfigures: [clusters]\n", rows=ROWS)
    start = time.process_time()
    laboratory = Laboratory(compose(path), tmp_path / "results")
    assert len({plan.key for plan in laboratory.planned}) == 1000
    assert len(laboratory.unfinished()) == 1000
    assert sum(line.runs for line in inspect(laboratory)) == 1000
    assert time.process_time() - start < SECONDS
