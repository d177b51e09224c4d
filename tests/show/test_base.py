"""Laws of reading: what lands in the tidy frame, in which order, and what is said about what does not."""

import subprocess
import sys

import pytest

from augstudy.core.errors import UserError
from augstudy.core.store import StudyFolder, write_json, write_text, write_yaml
from augstudy.show.base import load
from augstudy.show.table import write

from .synthetic import LAYERS, LINES, accuracy, failed, records_of, study_index, write_study


def test_frame_is_tidy_and_holds_every_current_value_once(usual):
    frame = usual.frame
    columns = "study,label,method,data,image,seed,layer,probe,protocol,probe_data,metric,value,low,high"
    assert ",".join(frame.columns) == columns
    assert len(frame) == len(LINES) * 3 * len(LAYERS)
    assert not frame.drop(columns="value").duplicated().any()
    line = frame[(frame["label"] == "RotNet, 1 image") & (frame["seed"] == 2) & (frame["layer"] == "conv3")]
    assert line["value"].item() == accuracy(1, 2, 2)  # every digit, and never the evaluation with the outdated key


def test_frame_is_ordered_by_row_then_seed_then_depth_whatever_the_order_on_disk(tmp_path):
    index = study_index(LINES, (2, 0, 1))
    records = records_of(index, layers=LAYERS)
    for record in records.values():
        record["evaluations"][1]["metrics"].reverse()
    frame = load(write_study(StudyFolder(tmp_path), index, records)).frame
    rows = [line[0] for line in LINES]
    places = [
        (rows.index(label), seed, LAYERS.index(layer))
        for label, seed, layer in zip(frame["label"], frame["seed"], frame["layer"], strict=True)
    ]
    assert places == sorted(places)


def test_sweep_axes_become_columns_and_keep_their_values(make):
    index = study_index(LINES[1:3], (0,), (1, 2))
    index["runs"][0]["axes"] = {}  # a row without the axis must not turn its whole numbers into 2.0
    results = load(make(index))
    assert list(results.frame.columns)[5] == "method.temperature"
    assert results.frame["method.temperature"].tolist()[:8] == [""] * 4 + [2] * 4
    assert [row.name for row in results.rows][:2] == ["RotNet, 1 image", "RotNet, 1 image, temperature 2"]


def test_rows_that_ignore_the_sweep_are_drawn_once(make):
    index = study_index(LINES[:2], (0, 1), (0.07, 0.2))
    for run in index["runs"][:4]:
        run["hash"] = f"random{run['seed']}"
    names = [row.name for row in load(make(index)).distinct_rows]
    assert names == ["random", "RotNet, 1 image, temperature 0.07", "RotNet, 1 image, temperature 0.2"]


def test_layers_are_in_depth_order_even_if_the_first_row_lacks_one(make, tmp_path):
    index = study_index(LINES[:2], (0,))
    records = records_of(index)
    first = records[index["runs"][0]["hash"]]
    first["layers"] = ["conv2", "conv4"]
    first["evaluations"][1]["metrics"] = first["evaluations"][1]["metrics"][1::2]
    assert load(write_study(StudyFolder(tmp_path), index, records)).layers == list(LAYERS)


def test_failed_unfinished_and_unevaluated_runs_are_counted_and_named(tmp_path):
    index = study_index(LINES[:4], (0,))
    records = records_of(index)
    first, second, third, _ = (run["hash"] for run in index["runs"])
    records[first] = failed(index["runs"][0])
    del records[second]
    records[third]["evaluations"] = []
    results = load(write_study(StudyFolder(tmp_path), index, records))
    assert results.counts == {"finished": 2, "failed": 1, "unfinished": 1}
    assert results.gaps == [
        f"random, seed 0 (run {first}): failed, loss became NaN at epoch 3",
        f"RotNet, 1 image, seed 0 (run {second}): unfinished",
        f"{LINES[2][0]}, seed 0 (run {third}): not evaluated by linear",
    ]
    assert set(results.frame["label"]) == {LINES[3][0]}


def test_two_probes_of_one_kind_are_never_averaged(make):
    index = study_index(LINES[:2], (0,))
    index["probes"].append({"name": "linear", "key": "bbbb2222"})
    results = load(make(index, probes=index["probes"]))
    assert set(results.frame["probe"]) == {"linear aaaa", "linear bbbb"}


def test_no_results_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match=r"no results of study 'jitter' in "):
        load(StudyFolder(tmp_path / "jitter"))


def test_a_file_that_is_no_index_is_a_user_error(tmp_path):
    write_yaml(StudyFolder(tmp_path).index, ["not", "an", "index"])
    with pytest.raises(UserError, match="is not the index of a study"):
        load(StudyFolder(tmp_path))


def test_a_broken_record_is_a_user_error(make):
    folder = make()
    write_text(folder.run(load(folder).index["runs"][0]["hash"]).record, "{")
    with pytest.raises(UserError, match=r"record.json is not readable JSON"):
        load(folder)


@pytest.mark.parametrize("content", ["{}", "[]", "3", '{"status": "finished"}'])
def test_a_record_that_lacks_what_it_must_have_is_a_user_error(make, content):
    folder = make()
    write_text(folder.run(load(folder).index["runs"][0]["hash"]).record, content)
    with pytest.raises(UserError, match=r"record.json is no record of a run: it has no .*evaluations"):
        load(folder)


def test_a_null_value_is_not_a_number(tmp_path):
    index = study_index(LINES[:1], (0,))
    folder = write_study(StudyFolder(tmp_path), index, records_of(index))
    [record] = load(folder).records.values()
    record["evaluations"][1]["metrics"][0]["value"] = None
    write_json(folder.run(index["runs"][0]["hash"]).record, record)
    assert load(folder).frame["value"].isna().tolist() == [True, False, False, False]


def test_showing_needs_no_torch():
    code = (
        "import sys\n"
        "from augstudy.core import registry\n"
        "import augstudy.show.table, augstudy.show.style\n"
        "[registry.find('show.figures', name) for name in registry.names('show.figures')]\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_a_clone_without_the_runs_own_records_reads_the_studys(make):
    folder = make()
    whole = load(folder)
    write(whole)
    for run in whole.index["runs"]:
        folder.run(run["hash"]).record.unlink()
    again = load(folder)
    assert again.frame.equals(whole.frame)
    assert again.records == whole.records  # floats keep all their digits


def test_a_runs_own_record_is_newer_than_the_studys(make):
    folder = make()
    whole = load(folder)
    write(whole)
    [first, second, *_] = whole.index["runs"]
    write_json(folder.run(first["hash"]).record, failed(first))
    folder.run(second["hash"]).record.unlink()
    again = load(folder)
    assert again.status(first) == "failed"
    assert again.status(second) == "finished"


def test_records_are_a_line_each_and_those_of_other_runs_stay_where_there_are_no_others(make):
    folder = make(study_index(LINES, (0, 1)))
    every = load(folder)
    write(every)
    assert len(folder.records.read_text().splitlines()) == len(LINES) * 2 + 2
    write_yaml(folder.index, study_index(LINES[:2], (0, 1)))
    write(load(folder))
    assert len(folder.records.read_text().splitlines()) == 2 * 2 + 2  # the runs have their own
    write(every)
    for run in every.index["runs"]:
        folder.run(run["hash"]).record.unlink()
    write(load(folder))
    assert len(folder.records.read_text().splitlines()) == len(LINES) * 2 + 2  # as in a clone: nothing is lost


@pytest.mark.parametrize("text", ["[]", "{", '{"abc": {"status": "finished"}}'])
def test_a_broken_records_file_is_a_user_error(tmp_path, text):
    folder = write_study(StudyFolder(tmp_path), study_index(LINES, (0,)), {})
    folder.records.write_text(text)
    with pytest.raises(UserError, match=r"records\.json"):
        load(folder)
