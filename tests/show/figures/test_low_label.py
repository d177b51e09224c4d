"""The data-efficiency curve, by its artists."""

import pytest

from augstudy.core.store import StudyFolder
from augstudy.show.base import load
from augstudy.show.figures.base import NothingToShow
from augstudy.show.figures.low_label import LowLabel

from ..synthetic import LINES, metric, records_of, study_index, write_study

PERCENTS = (1, 2, 5, 10, 20, 50, 100)


def curve(record, row):
    """Synthetic: rises with the labels and the row; conv2 is the best layer."""
    return [
        {**metric(layer, 30 + 3 * row + 4 * i + 5 * (layer == "conv2")), "metric": f"top1@{p}%"}
        for layer in ("conv1", "conv2")
        for i, p in enumerate(PERCENTS)
    ]


def results(tmp_path, low=True):
    index = study_index(LINES[:5], (0, 1)) | {"probes": [{"name": "low_label", "key": "aaaa1111", "protocol": "fast"}]}
    records = records_of(index)
    labels = [line[0] for line in LINES]
    for run in index["runs"]:
        if low:
            records[run["hash"]]["evaluations"][1]["metrics"] = curve(run, labels.index(run["label"]))
    return load(write_study(StudyFolder(tmp_path / "synthetic"), index, records))


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
