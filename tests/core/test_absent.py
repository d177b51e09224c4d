"""Whoever names a study without results is told which have some, or what makes them."""

from pathlib import Path

import pytest

from augstudy.core.absent import require_results
from augstudy.core.errors import UserError
from augstudy.core.store import StudyFolder, write_yaml


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A folder with results of two studies, in a place without study files."""
    monkeypatch.chdir(tmp_path)
    for name in ("infomin_jitter", "toy-smoke"):
        write_yaml(StudyFolder(Path("results") / name).index, {})
    return Path("results")


def told(folder, study=None):
    with pytest.raises(UserError) as caught:
        require_results(folder, study)
    return caught.value.fix


def test_a_study_with_results_is_no_error(results):
    require_results(StudyFolder(results / "infomin_jitter"))


def test_a_misspelt_name_gets_the_nearest_that_is_there(results):
    fix = told(StudyFolder(results / "infomin_jiter"))
    assert fix == "Did you mean 'infomin_jitter'? (known: infomin_jitter, toy-smoke)"
    assert told(StudyFolder(results / "xyz")) == "Known: infomin_jitter, toy-smoke"


def test_runs_at_another_scale_are_named(results):
    assert told(StudyFolder(results / "toy")) == "There is toy-smoke."


def test_a_study_that_was_never_run_gets_its_command(results):
    study = Path("mine/a study.yaml")
    write_yaml(study, {})
    assert told(StudyFolder(results / "a study"), study) == "Make them with: augstudy run 'mine/a study.yaml'"
    write_yaml(Path("studies/toy.yaml"), {})
    assert told(StudyFolder(results / "toy")) == "There is toy-smoke. Make them with: augstudy run studies/toy.yaml"


def test_where_nothing_is_that_is_said(results):
    assert "none of any study" in told(StudyFolder(Path("elsewhere/toy")))
