"""Laws of the filter sheet."""

import numpy as np

from augstudy.core.store import StudyFolder
from augstudy.show.base import load
from augstudy.show.figures.filter_statistics import FilterNumbers
from augstudy.show.figures.filters import Filters

from ..synthetic import LINES, failed, records_of, study_index, write_pictures, write_study


def test_one_panel_a_row_with_its_name(usual):
    figure = Filters()(usual)
    shown = [ax for ax in figure.axes if ax.images]
    assert [" ".join(ax.get_title(loc="left").split()) for ax in shown] == [line[0] for line in LINES]


def test_failed_runs_are_not_shown_and_the_next_seed_stands_in(tmp_path):
    index = study_index(LINES[:2], (0, 1))
    records = records_of(index)
    records[index["runs"][0]["hash"]] = failed(index["runs"][0])
    folder = write_study(StudyFolder(tmp_path), index, records)
    write_pictures(folder, index)
    figure = Filters()(load(folder))
    assert "Seed 1 or 0" in " ".join(figure.texts[1].get_text().split())


def test_the_caption_says_how_filters_were_scaled(usual):
    caption = " ".join(Filters()(usual).texts[1].get_text().split())
    assert "24 filters of 7 x 7 px" in caption
    assert "scaled by its own minimum and maximum" in caption


def test_filters_on_gradients_have_a_panel_of_both_slopes_and_one_of_what_they_make_of_the_image(tmp_path):
    index = study_index(LINES[:2], (0,))
    folder = write_study(StudyFolder(tmp_path), index, records_of(index))
    bank = np.random.default_rng(0).normal(size=(4, 3, 3, 2))
    np.save(folder.run(index["runs"][0]["hash"]).filters, bank)
    figure = Filters()(load(folder))
    slopes, image = figure.axes[:2]
    assert [" ".join(ax.get_title(loc="left").split()) for ax in (slopes, image)] == [
        "random: on slopes across | down",
        "random: on the image",
    ]
    assert slopes.images[0].get_array().shape[1] % 7 == 6  # tiles of 6 px, with a gap between them
    assert image.images[0].get_array().shape[1] % 6 == 5
    assert "Sobel front end" in " ".join(figure.texts[1].get_text().split())


def test_the_numbers_have_one_line_a_row_and_say_their_thresholds(usual):
    figure = FilterNumbers()(usual)
    left, middle, right = figure.axes[:3]
    assert [" ".join(t.get_text().split()) for t in left.get_yticklabels()] == [line[0] for line in LINES]
    assert left.collections[0].get_array().shape == (len(LINES), 8)
    assert middle.collections[0].get_array().shape == (len(LINES), 10)
    written = [text.get_text() for text in right.texts]
    assert written.count("50 %") == len(LINES)  # half of the synthetic filters are coloured
    caption = " ".join(figure.texts[1].get_text().split())
    assert "Mean over 3 seeds" in caption
    assert "0.1 of the layer's median" in caption
