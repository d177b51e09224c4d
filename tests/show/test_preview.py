"""The contact sheets of the preview: every picture with its text, nothing smaller than the house allows."""

import numpy as np

from augstudy.show.preview import preview_figure, save_preview, seen
from augstudy.show.style import SMALL, house

SHEETS = [
    ("row: crops", np.random.default_rng(0).random((8, 9, 9, 3)), [f"{i} % +3°" for i in range(8)]),
    ("row: pairs", np.zeros((4, 5, 5, 3)), ["1 % +3° flip\nb1.0 c1.1\nblur 1.0 px", "", "2 %", "3 %"]),
]


def test_every_picture_stands_over_its_text():
    with house():
        figure = preview_figure("title", "caption", SHEETS)
    axes = [ax for part in figure.subfigs for ax in part.axes if ax.images]
    assert [ax.get_title() for ax in axes] == [text for _, _, texts in SHEETS for text in texts]
    for ax, picture in zip(axes, [p for _, pictures, _ in SHEETS for p in pictures], strict=True):
        assert np.array_equal(ax.images[0].get_array(), picture)
        assert ax.title.get_size() >= SMALL


def test_a_page_is_written(tmp_path):
    save_preview(tmp_path / "preview.png", "title", "caption", SHEETS)
    assert (tmp_path / "preview.png").read_bytes().startswith(b"\x89PNG")
    save_preview(tmp_path / "empty.png", "title", "caption", [])


def test_texts_do_not_reach_into_each_other():
    with house():
        figure = preview_figure("title", "caption", SHEETS)
        figure.draw_without_rendering()
    boxes = [ax.title.get_window_extent() for part in figure.subfigs for ax in part.axes if ax.get_title()]
    pictures = [ax.get_window_extent() for part in figure.subfigs for ax in part.axes if ax.images]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])
    assert not any(text.overlaps(picture) for text in boxes for picture in pictures)


def test_a_label_of_many_rows_is_broken_into_lines_above_its_pictures():
    label = "; ".join(f"row number {i}" for i in range(40))
    with house():
        figure = preview_figure("title", "caption", [(label, *SHEETS[0][1:]), SHEETS[1]])
        figure.draw_without_rendering()
    part = figure.subfigs[0]
    assert part.get_suptitle().replace("\n", " ") == label
    box = part._suptitle.get_window_extent()
    assert box.x1 <= figure.bbox.x1
    assert not any(box.overlaps(ax.get_window_extent()) for ax in part.axes if ax.images)
    assert part.bbox.contains(*box.min)
    assert part.bbox.contains(*box.max)


def test_channels_that_make_no_colour_stand_side_by_side_in_grey():
    rng = np.random.default_rng(0)
    pair = rng.random((1, 5, 4, 2))
    np.testing.assert_array_equal(seen(pair[0]), np.hstack((pair[0, ..., 0], pair[0, ..., 1])))
    colour = rng.random((5, 4, 3))
    np.testing.assert_array_equal(seen(colour), colour)
    figure = preview_figure("title", "caption", [("two channels", pair, ["text"])])
    assert figure.axes[0].images[0].get_array().shape == (5, 8)
