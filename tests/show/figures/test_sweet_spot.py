"""The sweet-spot figure by its artists: points, log K, and a curve only where there is a reverse-U."""

from itertools import pairwise

import pytest
from matplotlib.text import Text

from augstudy.core.store import StudyFolder, digest
from augstudy.show.base import load
from augstudy.show.figures.base import NothingToShow
from augstudy.show.figures.sweet_spot import SweetSpot
from augstudy.show.table import write

from ..synthetic import write_study

PLACES = (0, 0.5, 1, 1.5, 2)


def synthetic(folder, truth, seeds=(0, 1, 2), places=PLACES, axes=("view.strength",)):
    """A study along one axis; accuracy follows `truth` but for a wobble with the seed, nats fall with the place."""
    runs = [
        {"label": "SimCLR", "method": "simclr", "data": "single_image", "image": "A", "seed": seed, "mi": True}
        | {"axes": dict.fromkeys(axes, place), "hash": digest([place, seed])}
        for place in places
        for seed in seeds
    ]
    index = {
        "study": "synthetic",
        "title": "A sweep (synthetic numbers)",
        "probes": [{"name": "linear", "key": "aaaa"}],
        "mi": [{"name": "infonce", "key": "bbbb"}],
        "figures": ["sweet_spot"],
        "axes": list(axes),
        "runs": runs,
    }
    records = {}
    for run in runs:
        at = places.index(next(iter(run["axes"].values())))
        wobble = 0.2 * ((5 * at + 3 * run["seed"]) % 4 - 1.5)
        metrics = [{"layer": "conv4", "metric": "top1", "value": truth(at) + wobble}]
        nats = [
            {"layer": "embedding", "metric": "nats", "value": 5 - at + wobble / 10, "low": 0.0, "high": 6.0},
            {"layer": "embedding", "metric": "ceiling", "value": 6.93, "low": None, "high": None},
        ]
        records[run["hash"]] = {
            **{"hash": run["hash"], "status": "finished", "reason": None, "layers": ["conv4"], "pretext": []},
            "evaluations": [
                {"probe": "linear", "key": "aaaa", "probe_data": "photos", "metrics": metrics},
                {"probe": "infonce", "key": "bbbb", "probe_data": "held-out pairs", "metrics": nats},
            ],
        }
    return load(write_study(StudyFolder(folder), index, records))


def hill(at):
    return 50 - 2.0 * (at - 2) ** 2


def found(figure, gid):
    return figure.findobj(lambda artist: artist.get_gid() == gid)


def test_a_hill_has_its_curve_and_its_interval_in_both_panels(tmp_path):
    figure = SweetSpot()(synthetic(tmp_path, hill))
    assert len(found(figure, "fit")) == len(found(figure, "peak")) == 2
    (caption,) = found(figure, "caption")
    assert "reverse-U: sweet spot at I_NCE" in caption.get_text().replace("\n", " ")


@pytest.mark.parametrize("truth", [lambda at: 40 + 2.0 * at, lambda at: 40.0], ids=["rising", "flat"])
def test_nothing_is_drawn_through_points_without_a_peak(tmp_path, truth):
    figure = SweetSpot()(synthetic(tmp_path, truth))
    assert not found(figure, "fit")
    assert not found(figure, "peak")


def test_points_are_labelled_by_the_control_and_log_k_is_drawn(tmp_path):
    figure = SweetSpot()(synthetic(tmp_path, hill))
    assert sorted(text.get_text() for text in found(figure, "place")) == ["0", "0.5", "1", "1.5", "2"]
    assert any("log K = 6.93" in text.get_text() for text in found(figure, "log K") if hasattr(text, "get_text"))


def test_labels_of_points_that_coincide_do_not_overlap(tmp_path):
    figure = SweetSpot()(synthetic(tmp_path, hill, places=(1, 1.001, 1.002, 1.003)))
    figure.draw_without_rendering()
    words = [Text.get_window_extent(text) for text in found(figure, "place")]  # without the threads
    boxes = sorted(words, key=lambda box: box.x0)
    assert all(first.x1 < second.x0 for first, second in pairwise(boxes))


def test_an_axis_has_its_unit(tmp_path):
    results = synthetic(tmp_path, hill, axes=("view.distance",))
    results.index["units"] = {"view.distance": "px"}
    assert SweetSpot()(results).axes[2].get_xlabel() == "distance (px)"


def test_names_on_the_axis_stand_side_by_side(tmp_path):
    results = synthetic(tmp_path, hill, places=("rgb", "hsv", "lab", "ycbcr"), axes=("view.space",))
    lower = SweetSpot()(results).axes[-1]
    assert [label.get_text() for label in lower.get_xticklabels()] == ["rgb", "hsv", "lab", "ycbcr"]


def test_one_seed_is_undecided_and_says_so(tmp_path):
    figure = SweetSpot()(synthetic(tmp_path, hill, seeds=(0,)))
    assert "undecided" in figure.axes[0].get_title(loc="left")


def test_a_study_without_an_axis_has_no_sweet_spot(tmp_path):
    with pytest.raises(NothingToShow, match="sweeps 0 settings"):
        SweetSpot()(_no_axis(tmp_path))


def _no_axis(folder):
    results = synthetic(folder, hill)
    results.index["axes"] = []
    return results


def test_nats_stand_in_a_section_of_their_own_with_log_k(tmp_path):
    results = synthetic(tmp_path, hill)
    write(results)
    text = results.folder.markdown.read_text()
    accuracies, nats = text.split("## Mutual information (nats)")
    assert "infonce" not in accuracies
    assert "embedding" not in accuracies
    assert "infonce: log K" in nats
    assert "6.93" in nats
