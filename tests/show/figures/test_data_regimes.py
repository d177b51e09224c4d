"""One image against many, as drawn."""

import numpy as np
import pytest

from augstudy.show.base import load
from augstudy.show.figures.base import NothingToShow
from augstudy.show.figures.data_regimes import DataRegimes

from ..synthetic import LAYERS, accuracy, study_index

ROWS = (
    ("random", "random", "none"),
    ("MoCo, 1 image", "moco", "single_image"),
    ("MoCo, many images", "moco", "images_all"),
    ("RotNet, 1 image", "rotnet", "single_image"),
    ("RotNet, many images", "rotnet", "images_all"),
    ("BiGAN, 1 image", "bigan", "single_image"),
)


@pytest.fixture
def results(make):
    return load(make(study_index(ROWS, (0, 1, 2))))


def test_a_mark_for_each_regime_of_each_method_at_its_mean(results):
    figure = DataRegimes()(results)
    assert [ax.get_title(loc="left") for ax in figure.axes if ax.axison] == list(LAYERS)
    ax = figure.axes[1]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["MoCo", "RotNet"]  # BiGAN has but one
    marks = {line.get_label(): line for line in ax.get_lines() if line.get_gid() == "regime"}
    for regime, rows in (("1 image", (1, 3)), ("many images", (2, 4))):
        expected = [np.mean([accuracy(row, 1, seed) for seed in (0, 1, 2)]) for row in rows]
        np.testing.assert_allclose(marks[regime].get_xdata(), expected)
        assert np.round(marks[regime].get_ydata()).tolist() == [0, 1]
    [random] = [line for line in ax.get_lines() if line.get_label() == "random"]
    assert random.get_xdata()[0] == pytest.approx(np.mean([accuracy(0, 1, seed) for seed in (0, 1, 2)]))


def test_rows_without_regimes_have_nothing_to_show(make):
    with pytest.raises(NothingToShow, match="several regimes"):
        DataRegimes()(load(make(study_index(ROWS[:2], (0, 1)))))
