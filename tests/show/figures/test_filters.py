"""Laws of the filter sheet."""

import numpy as np
import pytest

from augstudy.core.store import StudyFolder
from augstudy.show.base import load
from augstudy.show.figures.filters import Filters, colourfulness, ordered, orientation, stretched

from ..synthetic import LINES, failed, filter_bank, records_of, study_index, write_pictures, write_study


def grating(degrees: float, size: int = 9) -> np.ndarray:
    """A grey wave whose brightness changes along this direction, counter-clockwise from the right."""
    v, u = np.mgrid[:size, :size] - size // 2
    angle = np.radians(degrees)
    wave = np.sin(0.8 * (u * np.cos(angle) - v * np.sin(angle)))  # rows count downwards
    return np.repeat(wave[..., None], 3, axis=-1)


def test_one_panel_a_row_with_its_name(usual):
    figure = Filters()(usual)
    shown = [ax for ax in figure.axes if ax.images]
    assert [" ".join(ax.get_title(loc="left").split()) for ax in shown] == [line[0] for line in LINES]


def test_each_filter_is_stretched_by_its_own_extremes():
    scaled = stretched(np.stack([grating(30), 5 * grating(70) + 3]))
    assert scaled.min(axis=(1, 2, 3)).tolist() == [0, 0]
    assert scaled.max(axis=(1, 2, 3)).tolist() == [1, 1]
    assert (stretched(np.full((1, 3, 3, 3), 7.0)) == 0.5).all()


@pytest.mark.parametrize("degrees", [0, 30, 90, 135, 170])
def test_orientation_of_a_grating_is_the_direction_it_changes_in(degrees):
    found = orientation(grating(degrees)[None])[0]
    assert abs((found - degrees + 90) % 180 - 90) < 4


def test_colourfulness_is_nought_for_grey_and_one_for_pure_chroma():
    chroma = grating(0) * [1, -1, 0]
    assert colourfulness(np.stack([grating(0), chroma])) == pytest.approx([0, 1], abs=1e-9)
    assert colourfulness(np.zeros((1, 3, 3, 3))) == 0


def test_order_is_the_same_whatever_the_order_of_the_network_and_grey_comes_first():
    bank = np.stack([grating(a) for a in (100, 10, 55)] + [grating(20) * [1, -1, 0], grating(20) * [1, 0.3, 0.3]])
    expected = bank[[1, 2, 0, 4, 3]]
    for shuffle in (np.arange(5), np.array([3, 1, 4, 0, 2])):
        np.testing.assert_array_equal(ordered(bank[shuffle], 0.25), expected)


def test_failed_runs_are_not_shown_and_the_next_seed_stands_in(tmp_path):
    index = study_index(LINES[:2], (0, 1))
    records = records_of(index)
    records[index["runs"][0]["hash"]] = failed(index["runs"][0])
    folder = write_study(StudyFolder(tmp_path), index, records)
    write_pictures(folder, index)
    figure = Filters()(load(folder))
    assert "seed 1 or 0" in " ".join(figure.texts[1].get_text().split())


def test_the_caption_says_how_filters_were_scaled(usual):
    caption = " ".join(Filters()(usual).texts[1].get_text().split())
    assert "24 filters of 7 x 7 px" in caption
    assert "scaled to [0, 1] by its own minimum and maximum" in caption


def test_filters_of_one_pixel_have_no_direction():
    assert orientation(filter_bank(0)[:, :1, :1]).tolist() == [0] * 24


def test_filters_on_gradients_are_red_across_and_cyan_down(tmp_path):
    index = study_index(LINES[:2], (0,))
    folder = write_study(StudyFolder(tmp_path), index, records_of(index))
    bank = np.zeros((4, 3, 3, 2))
    bank[..., 0] = 1
    np.save(folder.run(index["runs"][0]["hash"]).filters, bank)
    figure = Filters()(load(folder))
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array()[0, 0], (1, 0, 0))
    assert "in red" in " ".join(figure.texts[1].get_text().split())
