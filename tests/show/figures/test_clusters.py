"""Laws of the sheet of clusters."""

import numpy as np
import pytest

from augstudy.core.bundle import read_arrays, save_arrays
from augstudy.show.base import load
from augstudy.show.figures.base import NothingToShow
from augstudy.show.figures.clusters import ClusterSheet
from augstudy.show.galleries import galleries

from ..synthetic import LINES, study_index


@pytest.fixture
def results(make):
    index = study_index(LINES, (0,))
    return load(make(index))


def sheets(results):
    """Axes of lines, each with its name."""
    return [ax for ax in ClusterSheet()(results).axes if ax.images]


def words(text):
    return " ".join(text.split())


def test_each_line_tells_the_purity_of_test_images_and_each_picture_what_lies_in_it(results):
    line = sheets(results)[0]
    assert "purity of test images 27 % (dealt at random: 13 %)" in words(line.get_title(loc="left"))
    labels = [words(text.get_text()) for text in line.texts]
    assert labels[0] == "tightest: 100, 99, 98 crops; 0, 11 (40 % class 2), 22 (40 % class 2) test images"
    assert labels[2].endswith("- test images")  # too small to have a mean


def test_a_line_shows_crops_then_a_gap_then_test_images(results):
    arrays = galleries(results, "clusters")[0].arrays
    picture = np.asarray(sheets(results)[0].images[0].get_array())
    side, count = arrays["crops"].shape[-2], arrays["crops"].shape[1]
    np.testing.assert_array_equal(picture[:side, :side], arrays["crops"][0, 0] / 255)
    crops = count * (side + 2) - 2
    assert (picture[:, crops : crops + side // 2] == 1).all()
    start = crops + side // 2
    np.testing.assert_array_equal(picture[:side, start : start + side], arrays["images"][0, 0] / 255)


def test_galleries_from_before_images_were_given_out_are_not_drawn(results):
    for path in results.folder.path.glob("runs/*/galleries/clusters.npz"):
        arrays = {name: value for name, value in read_arrays(path).items() if not name.startswith("image")}
        save_arrays(path, arrays, "old")
    with pytest.raises(NothingToShow, match="no run has clusters"):
        ClusterSheet()(results)
