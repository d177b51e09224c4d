"""Each caution is given for what it warns of, and for nothing else."""

import pytest

from augstudy.core.store import StudyFolder, write_yaml
from augstudy.show.base import load
from augstudy.show.report.cautions import cautions

from ..synthetic import failed, records_of, study_index, write_study


def entry(metric, value, chance, better="higher", unit=""):
    return {"metric": metric, "value": value, "chance": chance, "better": better, "unit": unit}


@pytest.fixture
def warned(tmp_path):
    """`warned([entry, ...], dim=128)`: the kinds of the cautions of a run that ended so."""

    def kinds(pretext, **method):
        index = study_index((("a row", "moco", "single_image"),), (0,))
        records = records_of(index)
        [key] = records
        records[key]["pretext"] = pretext
        folder = write_study(StudyFolder(tmp_path), index, records)
        write_yaml(folder.run(key).provenance, {"config": {"method": method}})
        return [caution.kind for caution in cautions(load(folder))]

    return kinds


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        (entry("std of embeddings", 0.12, 0.0), []),
        (entry("std of embeddings", 0.005, 0.0), ["collapse"]),
        (entry("information in what is said", 0.4, 0.0, unit="nats"), []),
        (entry("information in what is said", 0.001, 0.0, unit="nats"), ["collapse"]),
        (entry("views with the same prototype", 30.0, 11.0, unit="%"), []),
        (entry("views with the same prototype", 80.0, 73.0, unit="%"), ["collapse"]),
        (entry("largest cluster", 0.7, 0.33, "lower", "%"), []),
        (entry("largest cluster", 97.0, 0.33, "lower", "%"), ["collapse"]),
        (entry("task too easy", 0.0, 0.0, "lower"), []),
        (entry("task too easy", 1.0, 0.0, "lower"), ["task too easy"]),
        (entry("empty clusters re-seeded", 0, 0, "lower"), []),
        (entry("empty clusters re-seeded", 12, 0, "lower"), ["empty clusters"]),
        (entry("rotation accuracy", 48.0, 25.0, unit="%"), []),
        (entry("rotation accuracy", 24.0, 25.0, unit="%"), ["not learnt"]),
        (entry("rotation accuracy on noise", 26.0, 25.0, "lower", "%"), []),
        (entry("rotation accuracy on noise", 80.0, 25.0, "lower", "%"), ["shortcut"]),
        (entry("position accuracy on noise", 14.0, 12.5, "lower", "%"), []),
        (entry("position accuracy on noise", 60.0, 12.5, "lower", "%"), ["shortcut"]),
        (entry("order accuracy on noise", 9.0, 1.0, "lower", "%"), ["shortcut"]),
        (entry("InfoNCE loss", 6.5, 7.6, "lower", "nats"), []),
        (entry("InfoNCE loss", 7.7, 7.6, "lower", "nats"), ["not learnt"]),
        (entry("InfoNCE loss", None, 7.6, "lower", "nats"), ["not a number"]),
        (entry("discriminator accuracy", 50.0, 50.0, unit="%"), []),  # its equilibrium
        (entry("discriminator accuracy", 28.0, 50.0, unit="%"), []),
        (entry("discriminator accuracy", 99.9, 50.0, unit="%"), ["not learnt"]),
        (entry("cosine of negatives", 0.05, 0.0, "lower"), []),
    ],
)
def test_a_diagnostic_at_the_end(warned, found, kinds):
    assert warned([found], dim=64) == kinds


def test_collapse_is_told_by_the_number_of_dimensions(warned):
    assert warned([entry("std of embeddings", 0.008, 0.0)], dim=4096) == []
    assert warned([entry("std of embeddings", 0.0008, 0.0)], dim=4096) == ["collapse"]


@pytest.mark.parametrize(("middle", "kinds"), [("0.001", ["collapse"]), ("0.02", [])])
def test_a_collapse_that_a_training_came_out_of_is_told_too(tmp_path, middle, kinds):
    index = study_index((("a row", "dino", "single_image"),), (0,))
    records = records_of(index)
    folder = write_study(StudyFolder(tmp_path), index, records)
    (key,) = records
    folder.run(key).metrics.write_text(f"epoch,loss,information in what is said\n1,4,0.04\n2,5,{middle}\n3,6,0.4\n")
    found = cautions(load(folder))
    assert [caution.kind for caution in found] == kinds
    assert all("in epoch 2 " in caution.words for caution in found)


def test_failed_runs_and_curves_that_are_no_numbers(tmp_path):
    index = study_index((("a row", "moco", "single_image"),), (0, 1))
    records = records_of(index)
    first, second = records
    records[first] = failed(index["runs"][0])
    folder = write_study(StudyFolder(tmp_path), index, records)
    folder.run(second).metrics.write_text("epoch,loss\n1,2.0\n2,inf\n")
    found = cautions(load(folder))
    assert [(caution.seed, caution.kind) for caution in found] == [(0, "failed"), (1, "not a number")]
    assert found[0].words == "loss became NaN at epoch 3."


def test_layers_of_many_constant_features_are_named_for_the_run_that_has_them(tmp_path):
    index = study_index((("a row", "moco", "single_image"),), (0,), (0.07, 0.2))
    records = records_of(index)
    for share, run in zip((4.0, 40.0), index["runs"], strict=True):
        own = records[run["hash"]]["evaluations"][-1]["metrics"]
        own.append({"layer": "conv3", "metric": "constant", "value": share})
    (found,) = cautions(load(write_study(StudyFolder(tmp_path), index, records)))
    assert (found.kind, found.row) == ("constant features", "a row, temperature 0.2")
    assert found.words == "40 % of the features at conv3 are the same for all training images."
