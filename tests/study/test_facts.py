"""What a study's index says besides its runs."""

import pytest

from augstudy.study.compose import compose
from augstudy.study.pipeline import Laboratory

HERE = "image: {name: hubble}\nprobe_data: {name: photos, settings: {train_per_class: 5, test_per_class: 5}}\n"


@pytest.mark.parametrize(
    ("more", "units"),
    [
        ("view: {name: distance}\nsweep: {view.distance: [0, 16]}\n", {"view.distance": "px"}),
        ("view: {name: jitter}\nsweep: {view.strength: [0, 1]}\n", {}),
        ("sweep: {method.lr: [1, 2]}\n", {}),
    ],
)
def test_the_index_has_the_unit_of_a_control(write, tmp_path, more, units):
    rows = "rows:\n  - {label: s, method: simclr}\n"
    assert Laboratory(compose(write(HERE + more, rows=rows)), tmp_path).index()["units"] == units
