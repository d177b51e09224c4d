"""Laws of drawing: files are whole, equal for equal results, and nothing is drawn from nothing."""

import numpy as np
import pytest
from matplotlib.text import Text

from augstudy.core import registry
from augstudy.core.errors import UserError
from augstudy.core.store import StudyFolder
from augstudy.show.base import load
from augstudy.show.figures.base import contact_sheet, draw, read_pixels
from augstudy.show.style import SMALL

from ..synthetic import LINES, records_of, study_index, write_study


def test_draw_writes_png_and_svg_that_are_equal_bytes_for_equal_results(make):
    first, second = (
        draw(load(make(study_index(LINES[:2], (0,)), where=f"{name}/synthetic"))) for name in ("first", "second")
    )
    assert [path.name for path in first] == [
        *("layer_curves.png", "layer_curves.svg", "filters.png", "filters.svg", "corpus.png", "corpus.svg")
    ]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert not list(first[0].parent.glob(".*"))


def test_pdf_is_written_on_request_and_is_equal_bytes_too(make):
    results = load(make(study_index(LINES[:2], (0,))))
    [first] = draw(results, ["layer_curves"], kinds=["pdf"])
    before = first.read_bytes()
    assert before.startswith(b"%PDF")
    assert [path.name for path in first.parent.iterdir()] == ["layer_curves.pdf"]
    assert draw(results, ["layer_curves"], kinds=["pdf"])[0].read_bytes() == before


def test_a_figure_without_anything_to_show_is_left_out_unless_asked_for(tmp_path):
    index = study_index(LINES, (0,))
    results = load(write_study(StudyFolder(tmp_path), index, records_of(index)))
    assert [path.name for path in draw(results)] == ["layer_curves.png", "layer_curves.svg"]
    with pytest.raises(UserError, match=r"figure filters: no finished run has filters.npy"):
        draw(results, only=["filters"])


def test_an_unfinished_study_draws_nothing(tmp_path):
    results = load(write_study(StudyFolder(tmp_path), study_index(LINES, (0,)), {}))
    assert draw(results) == []
    with pytest.raises(UserError, match="no run has a top1 value"):
        draw(results, only=["layer_curves"])


def test_an_unknown_figure_lists_the_known_ones(usual):
    with pytest.raises(UserError, match=r"(?s)unknown figure 'filter'.*Did you mean 'filters'"):
        draw(usual, only=["filter"])


@pytest.mark.parametrize("name", registry.names("show.figures"))
def test_every_figure_is_readable_and_nothing_is_cut_off(showing, name):
    figure = showing(name)
    figure.draw_without_rendering()
    sizes = [text.get_fontsize() for text in figure.findobj(Text)]
    assert min(sizes) >= SMALL
    drawn, page = figure.get_tightbbox(), figure.bbox_inches
    assert min(drawn.x0, drawn.y0) >= 0
    assert drawn.x1 <= page.x1
    assert drawn.y1 <= page.y1
    title, caption = figure.texts
    assert title.get_text().startswith("What one image teaches")
    assert "Image: retina (fallback for A)" in " ".join(caption.get_text().split())


@pytest.mark.parametrize("name", registry.names("show.figures"))
def test_captions_and_titles_do_not_touch_what_is_drawn(showing, name):
    figure = showing(name)
    figure.draw_without_rendering()
    title, caption = (text.get_window_extent() for text in figure.texts)
    for ax in figure.axes:
        box = ax.get_tightbbox()
        assert caption.y1 < box.y0
        assert box.y1 < title.y0


def test_contact_sheet_places_every_tile_and_leaves_white_between():
    tiles = np.arange(5.0)[:, None, None, None] / 10 * np.ones((5, 2, 3, 3))
    sheet = contact_sheet(tiles)
    assert [float((sheet == i / 10).sum()) for i in range(5)] == [18.0] * 5
    assert (sheet == 1).sum() == sheet.size - 5 * 18


@pytest.mark.parametrize("content", [b"", b"not numpy"])
def test_a_broken_array_is_a_user_error(tmp_path, content):
    (tmp_path / "filters.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"filters.npy is not readable"):
        read_pixels(tmp_path / "filters.npy")


def test_an_array_of_another_shape_is_a_user_error(tmp_path):
    np.save(tmp_path / "filters.npy", np.zeros((4, 3, 3)))
    with pytest.raises(UserError, match=r"has shape \(4, 3, 3\)"):
        read_pixels(tmp_path / "filters.npy")
