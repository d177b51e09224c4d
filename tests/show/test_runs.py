"""What lies on disk of a study is told as it is."""

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
        ("unfinished", "its results are in records.json only"),
        ("finished", ""),
    ]
    folder.records.write_text("[")
    second.record.unlink()
    assert [run.note for run in found_runs(folder)] == ["", ""]
