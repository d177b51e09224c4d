"""Laws of the layer curves, read off the artists."""

import itertools

import numpy as np
import pytest

from augstudy.core.store import StudyFolder
from augstudy.show.base import load
from augstudy.show.figures.layer_curves import LayerCurves
from augstudy.show.looks import spaced
from augstudy.show.table import summary

from ..synthetic import LAYERS, LINES, failed, records_of, study_index, write_study

TWELVE = (
    LINES[:5] + tuple((f"MoCo with a rather long label, variant {i}", "moco", "full") for i in range(6)) + LINES[5:]
)


@pytest.fixture(scope="module")
def usual_curves(usual):
    return LayerCurves()(usual)


def lines_of(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def end_labels(ax):
    return [text for text in ax.texts if text.get_gid() == "end-label"]


def overlapping(figure, texts):
    figure.draw_without_rendering()
    # Annotation.get_window_extent includes the leader line, which may touch; the words may not.
    boxes = [super(type(t), t).get_window_extent() for t in texts]
    return [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]


def test_lines_are_the_means_and_bands_the_intervals(usual, usual_curves):
    [ax] = usual_curves.axes
    table = summary(usual.frame)
    drawn = lines_of(ax)
    assert list(drawn) == [line[0] for line in LINES]
    for (label, line), band in zip(drawn.items(), ax.collections, strict=True):
        expected = table[table["label"] == label]
        np.testing.assert_array_equal(line.get_ydata(), expected["mean"])
        corners = band.get_paths()[0].vertices
        for depth, (low, high) in enumerate(zip(expected["low"], expected["high"], strict=True)):
            heights = corners[corners[:, 0] == depth, 1]
            assert heights.min() == pytest.approx(low)
            assert heights.max() == pytest.approx(high)


def test_axes_have_names_units_and_layers(usual_curves):
    [ax] = usual_curves.axes
    assert ax.get_ylabel() == "top-1 accuracy (%)"
    assert ax.get_xlabel() == "layer, in order of depth"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == list(LAYERS)


def test_references_are_grey_and_black_and_broken_and_no_two_rows_look_alike(make):
    [ax] = LayerCurves()(load(make(study_index(TWELVE, (0,))))).axes
    drawn = lines_of(ax)
    assert drawn["random"].get_linestyle() == ":"
    assert drawn["supervised"].get_linestyle() == "--"
    looks = {(line.get_color(), line.get_marker(), line.get_linestyle()) for line in drawn.values()}
    assert len(looks) == 12


@pytest.mark.parametrize("lines", [LINES, TWELVE])
def test_every_row_is_named_at_its_end_and_no_two_names_overlap(make, lines):
    figure = LayerCurves()(load(make(study_index(lines, (0, 1, 2)))))
    labels = end_labels(figure.axes[0])
    assert [" ".join(text.get_text().split()) for text in labels] == [line[0] for line in lines]
    assert overlapping(figure, labels) == []


def test_labels_of_rows_that_end_at_one_point_do_not_overlap(tmp_path):
    index = study_index(TWELVE, (0,))
    records = records_of(index)
    for record in records.values():
        for metric in record["evaluations"][1]["metrics"]:
            metric["value"] = 50.0
    figure = LayerCurves()(load(write_study(StudyFolder(tmp_path), index, records)))
    assert overlapping(figure, end_labels(figure.axes[0])) == []


def testspaced_moves_nothing_that_has_room_and_splits_the_difference_otherwise():
    assert spaced([1.0, 3.0], [0.5, 0.5], 4) == [1.0, 3.0]
    np.testing.assert_allclose(spaced([2.0, 2.0], [0.5, 0.5], 4), [1.75, 2.25])
    np.testing.assert_allclose(spaced([3.9, 0.0], [0.5, 0.5], 4), [3.75, 0.25])  # stays on the panel


def test_one_seed_has_no_band_and_the_caption_says_so(make):
    figure = LayerCurves()(load(make(study_index(LINES, (0,)))))
    assert len(figure.axes[0].collections) == 0
    assert "one seed, so no bands" in " ".join(figure.texts[1].get_text().split())


def test_caption_says_what_the_bands_are_and_on_which_data(usual_curves):
    caption = " ".join(usual_curves.texts[1].get_text().split())
    assert "n = 3; bands: 95 % t interval of the mean" in caption
    assert "photos (fallback for cifar10); 12 classes" in caption
    assert "linear probe" in caption


def test_missing_layers_leave_a_gap_and_failed_rows_leave_no_line(tmp_path):
    index = study_index(LINES[:4], (0,))
    records = records_of(index)
    gap, short, lost = (run["hash"] for run in index["runs"][:3])
    del records[gap]["evaluations"][1]["metrics"][2]
    del records[short]["evaluations"][1]["metrics"][2:]
    records[lost] = failed(index["runs"][2])
    [ax] = LayerCurves()(load(write_study(StudyFolder(tmp_path), index, records))).axes
    drawn = lines_of(ax)
    assert np.isnan(drawn["random"].get_ydata()).tolist() == [False, False, True, False]
    assert np.isnan(drawn["RotNet, 1 image"].get_ydata()).tolist() == [False, False, True, True]
    assert LINES[2][0] not in drawn
    assert end_labels(ax)[1].xy == (1.0, drawn["RotNet, 1 image"].get_ydata()[1])


@pytest.mark.parametrize(("classes", "note"), [(3, "chance 33.3 %"), (100, "chance 1.0 % (below this axis)")])
def test_chance_is_a_line_near_the_curves_and_a_note_far_below_them(make, classes, note):
    index = study_index(LINES, (0,))
    index["probe_data"]["classes"] = classes
    [ax] = LayerCurves()(load(make(index))).axes
    assert [text.get_text() for text in ax.texts if text.get_gid() == "chance"] == [note]
    levels = [line.get_ydata()[0] for line in ax.lines if line.get_gid() == "chance"]
    assert levels == ([pytest.approx(100 / 3)] if classes == 3 else [])


def test_each_probe_has_its_panel_and_axis_values_are_in_the_labels(make):
    index = study_index(LINES[1:3], (0, 1), (0.07, 0.2))
    index["probes"].append({"name": "knn", "key": "cccc3333"})
    axes = LayerCurves()(load(make(index, probes=index["probes"]))).axes
    assert [ax.get_title(loc="left") for ax in axes] == ["linear probe", "knn probe"]
    assert list(lines_of(axes[1]))[:2] == ["RotNet, 1 image, temperature 0.07", "RotNet, 1 image, temperature 0.2"]


def test_a_dollar_sign_is_not_mathematics(make):
    figure = LayerCurves()(load(make(study_index((("$5 and $6", "moco", "full"),), (0,)))))
    assert not end_labels(figure.axes[0])[0].get_parse_math()
