"""What lies on disk of a study is told as it is."""

import pytest

from augstudy.core.errors import UserError
from augstudy.core.records import write_records
from augstudy.core.store import StudyFolder
from augstudy.show.runs import found_runs

from .synthetic import LINES, records_of, study_index, write_study


def test_in_a_clone_the_list_says_where_the_results_of_its_runs_are(tmp_path):
    index = study_index(LINES[:2], (0,))
    records = records_of(index)
    folder = write_study(StudyFolder(tmp_path / "few"), index, records)
    assert [(run.state, run.note) for run in found_runs(folder)] == [("finished", "")] * 2
    write_records(folder, records)
    first, second = (folder.run(run["hash"]) for run in index["runs"])
    first.record.unlink()  # the repository has records.json, but no run's own record
    assert [(run.state, run.note) for run in found_runs(folder)] == [
        ("unfinished", "a clone's: in records.json"),
        ("finished", ""),
    ]
    folder.records.write_text("[")
    second.record.unlink()
    assert [run.note for run in found_runs(folder)] == ["", ""]


@pytest.mark.parametrize("text", ["[1]", "config: 3", "config: {method: rotnet}", "axes: [1]", "{", "\0"])
def test_a_damaged_run_yaml_says_nothing_and_hides_no_other_run(tmp_path, text):
    index = study_index(LINES[:2], (0,))
    folder = write_study(StudyFolder(tmp_path / "few"), index, records_of(index))
    odd = folder.run("0123456789ab")
    odd.path.mkdir()
    odd.provenance.write_text(text)
    assert [(run.row, run.state, run.of) for run in found_runs(folder)][2:] == [("?", "unfinished", None)]


@pytest.mark.parametrize("text", ["runs: [1]", "runs: [{label: a}]", "runs: {}", "[]"])
def test_what_is_no_index_of_a_study_is_an_error(tmp_path, text):
    folder = StudyFolder(tmp_path / "few")
    folder.path.mkdir()
    folder.index.write_text(text)
    with pytest.raises(UserError, match="is not the index of a study"):
        found_runs(folder)
