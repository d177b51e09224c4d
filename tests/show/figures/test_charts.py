"""Laws of the figures that are drawn from numbers, read off the artists."""

import numpy as np
import pytest

from augstudy.core.store import StudyFolder
from augstudy.show.base import load
from augstudy.show.figures.ablation_bars import AblationBars
from augstudy.show.figures.base import NothingToShow
from augstudy.show.figures.cost import Cost
from augstudy.show.figures.heat_map import HeatMap
from augstudy.show.figures.strength_curves import StrengthCurves
from augstudy.show.figures.training_curves import TrainingCurves
from augstudy.show.scores import differences, scores
from augstudy.show.style import house

from ..synthetic import FLAG, LAYERS, LINES, TURNS, failed, records_of, study_index, write_curves, write_study

CHARTS = [TrainingCurves, AblationBars, Cost]
SWEEPS = [StrengthCurves]
ODD = (
    "naïve Größe 図 $x$ <script>",
    "a label so long that no column of any figure could ever hold it on one line, " * 2,
)


def lines_of(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


def caption_of(figure):
    return " ".join(figure.texts[1].get_text().split())


def panels_of(figure):
    return [ax for ax in figure.axes if ax.get_gid() != "key"]


def fits(figure):
    """Nothing leaves the page."""
    with house():
        figure.draw_without_rendering()
        box, page = figure.get_tightbbox(), figure.bbox_inches
    return min(box.x0, box.y0) >= -0.01 and box.x1 <= page.x1 + 0.01 and box.y1 <= page.y1 + 0.01


@pytest.fixture(scope="module")
def curves(usual):
    return TrainingCurves()(usual)


@pytest.fixture(scope="module")
def bars(usual):
    return AblationBars()(usual)


def test_training_curves_have_a_panel_a_metric_and_a_line_a_row_that_trains(curves):
    axes = panels_of(curves)
    assert [ax.get_title(loc="left") for ax in axes] == ["loss", TURNS, "monitor: knn top-1"]
    assert [ax.get_ylabel() for ax in axes] == ["the method's own loss", "%", "no unit"]
    assert {ax.get_xlabel() for ax in axes} == {"epoch"}
    for ax in axes:
        assert list(lines_of(ax)) == [line[0] for line in LINES[1:]]


def test_training_curves_are_means_and_bands_span_the_seeds(curves):
    [_, turns, _] = panels_of(curves)
    line = lines_of(turns)["RotNet, 1 image"]
    np.testing.assert_allclose(line.get_ydata(), [41, 51, 61])
    heights = turns.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (40, 62)


def test_a_flag_that_was_never_raised_is_told_and_has_no_panel(curves):
    assert f"0 throughout: {FLAG}." in caption_of(curves)
    assert "n = 3; bands: lowest to highest seed" in caption_of(curves)


def test_a_monitor_that_looks_rarely_is_a_point(curves):
    assert lines_of(panels_of(curves)[2])["MoCo, full data"].get_xdata().tolist() == [3]


def test_bars_are_differences_to_random_paired_by_seed(usual, bars):
    axes = panels_of(bars)
    assert [ax.get_title(loc="left").partition(":")[0] for ax in axes] == list(LAYERS)
    assert {ax.get_xlabel() for ax in axes} == {"difference (points)"}
    rows = {row.name: row for row in usual.rows}
    base = rows.pop("random")
    for number, row in enumerate(rows.values()):
        expected = differences(usual, row, base, "top1", "linear")
        for ax in axes:
            layer = ax.get_title(loc="left").partition(":")[0]
            assert ax.patches[number].get_width() == pytest.approx(expected.at[layer, "mean"])
            low = (
                ax.containers[0].errorbar.lines[2][0].get_segments()[number][0, 0]
                if ax.containers[0].errorbar
                else None
            )
            assert low is None or low == pytest.approx(expected.at[layer, "low"])


def test_bars_compare_with_the_row_that_is_asked_for(usual):
    figure = AblationBars(baseline="supervised")(usual)
    assert "Differences to supervised in points, paired by seed" in caption_of(figure)
    with pytest.raises(NothingToShow, match="no row 'nobody'"):
        AblationBars(baseline="nobody")(usual)


def test_a_row_that_lacks_a_layer_has_no_bar_there(tmp_path):
    index = study_index(LINES[:3], (0, 1))
    records = records_of(index)
    for run in index["runs"][2:4]:
        del records[run["hash"]]["evaluations"][1]["metrics"][2:]
    axes = panels_of(AblationBars()(load(write_study(StudyFolder(tmp_path), index, records))))
    assert [len(ax.patches) for ax in axes] == [2, 2, 1, 1]
    assert axes[2].patches[0].get_y() > 0.5  # it stands at its own place, the second


def test_strength_curves_have_a_panel_a_layer_and_a_line_a_label(swept):
    figure = StrengthCurves()(swept)
    axes = panels_of(figure)
    assert [ax.get_title(loc="left") for ax in axes] == list(LAYERS)
    table = scores(swept, "top1")
    for ax in axes:
        assert ax.get_xlabel() == "method.temperature"
        assert ax.get_ylabel() == "top-1 accuracy (%)"
        for label, line in lines_of(ax).items():
            assert line.get_xdata().tolist() == [0.07, 0.2, 1.0]
            part = table[(table["label"] == label) & (table["layer"] == ax.get_title(loc="left"))]
            np.testing.assert_array_equal(line.get_ydata(), part["mean"])
        assert len(ax.collections) == 4
    assert "n = 3; bands: 95 % t interval of the mean" in caption_of(figure)


def test_a_row_that_the_sweep_does_not_reach_is_a_level_line(tmp_path):
    index = study_index(LINES[:2], (0,), ("weak", "strong"))
    index["runs"] = index["runs"][1:]
    index["runs"][0]["axes"] = {}
    ax = panels_of(StrengthCurves()(load(write_study(StudyFolder(tmp_path), index, records_of(index)))))[0]
    assert lines_of(ax)["random"].get_xdata() == [0, 1]  # in axes coordinates: all across
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["weak", "strong"]


def test_a_heat_map_has_a_cell_a_point_of_the_sweep_and_says_its_unit(crossed):
    figure = HeatMap()(crossed)
    *maps, bar = figure.axes
    assert bar.get_ylabel() == "top-1 accuracy (%)"
    drawn = [ax for ax in maps if ax.collections]
    assert len(drawn) == 2 * len(LAYERS)
    table = scores(crossed, "top1")
    for ax in drawn:
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("method.temperature", "view.strength")
        assert ax.collections[0].get_array().shape == (2, 3)
    first = table[(table["label"] == LINES[1][0]) & (table["layer"] == "conv1")].set_index("key")["mean"]
    assert drawn[0].collections[0].get_array()[1, 0] == first[(LINES[1][0], 0.07, 2)]
    low, high = drawn[0].collections[0].get_clim()
    assert (low, high) == (table["mean"].min(), table["mean"].max())


@pytest.mark.parametrize(("figure", "said"), [(StrengthCurves, "0 settings"), (HeatMap, "0 settings")])
def test_a_figure_of_a_sweep_shows_nothing_of_a_study_without_one(usual, figure, said):
    with pytest.raises(NothingToShow, match=said):
        figure()(usual)


def test_cost_draws_a_point_a_row_and_a_level_line_for_what_is_not_trained(usual):
    figure = Cost()(usual)
    [ax] = figure.axes
    assert ax.get_xlabel() == "training (s)"
    assert "top-1 accuracy (%)" in ax.get_ylabel()
    assert len(ax.containers) == len(LINES) - 1
    assert lines_of(ax)["random"].get_xdata() == [0, 1]
    names = [" ".join(text.get_text().split()) for text in ax.texts if text.get_gid() == "end-label"]
    assert names == [f"{line[0]} (conv2)" for line in LINES]
    assert "on a made-up machine, 2 threads" in caption_of(figure)


@pytest.mark.parametrize("chart", CHARTS)
def test_one_seed_and_long_and_strange_labels_fit(make, chart):
    lines = (LINES[0], *((label, "rotnet", "single_image") for label in ODD))
    figure = chart()(load(make(study_index(lines, (0,)))))
    assert fits(figure)
    assert "one seed, so no" in caption_of(figure)


@pytest.mark.parametrize("chart", [TrainingCurves, Cost])
def test_a_study_of_one_row(make, chart):
    assert fits(chart()(load(make(study_index(LINES[1:2], (0,))))))


def test_bars_need_two_rows(make):
    with pytest.raises(NothingToShow, match="no two rows"):
        AblationBars()(load(make(study_index(LINES[1:2], (0,)))))


@pytest.mark.parametrize("chart", CHARTS)
def test_forty_rows_fit(tmp_path, chart):
    index = study_index(tuple((f"variant {i} of a method", "rotnet", "full") for i in range(40)), (0,))
    folder = write_study(StudyFolder(tmp_path), index, records_of(index))
    write_curves(folder, index)
    assert fits(chart()(load(folder)))


def test_a_sweep_of_one_seed_and_one_row_fits(make):
    results = load(make(study_index(LINES[1:2], (0,), (1, 2))))
    assert fits(StrengthCurves()(results))


@pytest.mark.parametrize("chart", CHARTS)
def test_a_study_whose_runs_all_failed_has_nothing_to_show(tmp_path, chart):
    index = study_index(LINES, (0,))
    records = {run["hash"]: failed(run) for run in index["runs"]}
    with pytest.raises(NothingToShow):
        chart()(load(write_study(StudyFolder(tmp_path), index, records)))
