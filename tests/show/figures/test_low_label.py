"""The data-efficiency curve, by its artists."""

import pytest

from augstudy.show.base import load
from augstudy.show.figures.base import NothingToShow
from augstudy.show.figures.low_label import LowLabel

from ..synthetic import PERCENTS, write_few_labels


def results(tmp_path, low=True):
    return load(write_few_labels(tmp_path / "synthetic", low))


def test_a_line_a_row_over_a_logarithmic_axis_of_the_shares(tmp_path):
    figure = LowLabel()(results(tmp_path))
    (ax,) = figure.axes
    assert ax.get_xscale() == "log"
    assert [t.get_text() for t in ax.get_xticklabels()] == [str(p) for p in PERCENTS]
    lines = [line for line in ax.get_lines() if line.get_gid() != "chance"]
    assert len(lines) == 5
    assert list(lines[1].get_xdata()) == list(PERCENTS)
    assert list(lines[1].get_ydata()) == [38 + 4 * i for i in range(7)]
    names = [t.get_text() for t in ax.texts if t.get_gid() == "end-label"]
    assert names[0] == "random, conv2"
    assert "%" in ax.get_xlabel()
    assert "(fast)" in next(t.get_text() for t in figure.texts if t.get_gid() == "caption")


def test_a_layer_can_be_named_and_without_values_there_is_nothing_to_show(tmp_path):
    figure = LowLabel(layer="conv1")(results(tmp_path))
    assert figure.axes[0].texts[-1].get_text().endswith("conv1")
    with pytest.raises(NothingToShow, match="low_label"):
        LowLabel()(results(tmp_path / "none", low=False))
