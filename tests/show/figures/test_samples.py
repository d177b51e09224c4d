"""Laws of the sheet of samples."""

import numpy as np
import pytest

from augstudy.core.store import save_array
from augstudy.show.base import load
from augstudy.show.figures.base import NothingToShow
from augstudy.show.figures.samples import Samples

from ..synthetic import LINES, crop_sheet, study_index


@pytest.fixture
def results(make):
    """Three rows of two seeds: nothing, two arrays with the second seed, and the synthetic samples."""
    index = study_index(LINES[1:4], (0, 1))
    folder = make(index)
    for name in ("samples", "reconstructions"):
        save_array(folder.run(index["runs"][3]["hash"]).picture(name), crop_sheet(7))
    return load(folder)


def test_one_panel_an_array_with_the_names_of_row_and_array(results):
    shown = [ax for ax in Samples()(results).axes if ax.images]
    titles = [" ".join(ax.get_title(loc="left").split()) for ax in shown]
    assert titles == [f"{LINES[2][0]}: reconstructions", f"{LINES[2][0]}: samples", f"{LINES[3][0]}: samples"]


def test_pixels_are_shown_as_they_are_up_to_the_limit(results):
    pairs, samples, _ = (np.asarray(ax.images[0].get_array()) for ax in Samples(limit=1)(results).axes if ax.images)
    np.testing.assert_array_equal(samples, crop_sheet(7)[0] / 255)
    np.testing.assert_array_equal(pairs[:, -16:], crop_sheet(7)[1] / 255)  # a reconstruction stands by its crop


def test_runs_without_pictures_have_nothing_to_show(make):
    with pytest.raises(NothingToShow, match="no run has pictures"):
        Samples()(load(make(study_index(LINES[:3], (0,)))))


def test_pictures_that_belong_together_stand_in_one_line(make):
    index = study_index(LINES[1:2], (0,))
    folder = make(index)
    save_array(folder.run(index["runs"][0]["hash"]).picture("learned_views"), crop_sheet(7, 30))
    figure = Samples(limit=26)(load(folder))  # eight threes; by itself a sheet of 24 has 5 columns
    sheet = next(np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images)
    side, tiles = crop_sheet(7, 1).shape[1], crop_sheet(7, 30) / 255
    columns = (sheet.shape[1] + 1) // (side + 1)
    assert columns == 6
    for i in range(24):
        top, left = i // columns * (side + 1), i % columns * (side + 1)
        np.testing.assert_array_equal(sheet[top : top + side, left : left + side], tiles[i])
    assert len(sheet) == 4 * (side + 1) - 1
    assert "learned_views are threes" in " ".join(figure.texts[1].get_text().split())


def test_caption_says_what_is_what(results):
    caption = " ".join(Samples()(results).texts[1].get_text().split())
    assert "samples are drawn from the prior" in caption
    assert "pair by pair" in caption
