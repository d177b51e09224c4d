"""Laws of the corpus sheet."""

import numpy as np

from augstudy.show.base import load
from augstudy.show.figures.corpus import CorpusSheet

from ..synthetic import LINES, crop_sheet, study_index


def shown(figure):
    return [ax for ax in figure.axes if ax.images]


def test_rows_on_the_same_crops_share_a_sheet(usual):
    [ax] = shown(CorpusSheet()(usual))
    assert ax.get_title(loc="left") == "single_image: retina (fallback for A)"


def test_pixels_are_shown_as_they_are(usual):
    [ax] = shown(CorpusSheet()(usual))
    picture = np.asarray(ax.images[0].get_array())
    np.testing.assert_array_equal(picture[:16, :16], crop_sheet(0)[0] / 255)


def test_another_corpus_of_the_same_name_gets_its_own_sheet_and_is_told_apart_by_its_row(make):
    index = study_index(LINES[1:3], (0,))
    folder = make(index)
    np.save(folder.run(index["runs"][1]["hash"]).crops, crop_sheet(7))
    titles = [" ".join(ax.get_title(loc="left").split()) for ax in shown(CorpusSheet()(load(folder)))]
    assert titles == [f"single_image: retina (fallback for A) ({line[0]})" for line in LINES[1:3]]


def test_several_sheets_show_fewer_crops_each_and_say_how_many(make):
    index = study_index(LINES[1:3], (0,))
    folder = make(index)
    np.save(folder.run(index["runs"][1]["hash"]).crops, crop_sheet(7))
    figure = CorpusSheet(several=4)(load(folder))
    assert [ax.images[0].get_array().shape for ax in shown(figure)] == [(2 * 16 + 2, 2 * 16 + 2, 3)] * 2
    assert "4 crops of 16 x 16 px" in " ".join(figure.texts[1].get_text().split())


def test_caption_credits_the_image_and_counts_the_crops(usual):
    caption = " ".join(CorpusSheet(limit=9)(usual).texts[1].get_text().split())
    assert "9 crops of 16 x 16 px" in caption
    assert "Credit: a made-up photographer, CC0." in caption
