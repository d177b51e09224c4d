"""Several processes on one study: each run is made once, by somebody, whatever becomes of the others."""

import io
import threading
import time
from multiprocessing import Pipe
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
import yaml
from rich.console import Console
from typer.testing import CliRunner

from augstudy import cli
from augstudy.core.errors import UserError
from augstudy.core.stop import Stopped
from augstudy.study import pipeline
from augstudy.study.compose import compose
from augstudy.study.launch import local
from augstudy.study.launch.local import Local
from augstudy.study.pipeline import Laboratory
from augstudy.study.progress import Reporter

HERE = "image: {name: hubble}\nprobe_data: {name: photos, settings: {train_per_class: 5, test_per_class: 5}}\n"
FEW = "rows:\n  - {label: random, method: random}\n  - {label: rot, method: {name: rotnet, epochs: 1}}\nseeds: [0, 1]\n"
FEW += "corpus: {count: 32}\nfeatures: {train: 60, test: 60, calibrate: 60}\nprobes: [knn]\n"


def told(width=200):
    return Reporter(Console(file=io.StringIO(), width=width))


def text(reporter):
    return reporter.console.file.getvalue()


def test_two_processes_make_each_run_once_and_the_same_table_as_one(write, tmp_path):
    path = write(HERE, rows=FEW)
    tables = {}
    for jobs in (1, 2):
        results = tmp_path / str(jobs)
        done = CliRunner().invoke(cli.app, ["run", str(path), "--results", str(results), "--jobs", str(jobs)])
        assert done.exit_code == 0, done.output
        ended = [line for line in done.output.splitlines() if line.startswith("[") and ": step " not in line]
        assert sorted(line[:5] for line in ended) == [f"[{n}/4]" for n in (1, 2, 3, 4)]
        tables[jobs] = pd.read_csv(results / "toy" / "table.csv")
    value = tables[1].pop("value"), tables[2].pop("value")
    pd.testing.assert_frame_equal(tables[1], tables[2])
    pd.testing.assert_series_equal(*value, atol=8)  # threads add in another order: a few of 60 test images may differ
    facts = yaml.safe_load(next((tmp_path / "2" / "toy").glob("runs/*/run.yaml")).read_text())
    assert facts["threads"] == max(1, torch.get_num_threads() // 2)


def test_a_run_whose_maker_is_killed_is_taken_over(write, tmp_path, monkeypatch, held):
    monkeypatch.setattr(pipeline, "WAIT", 0.05)
    laboratory = Laboratory(compose(write(HERE, rows=FEW.replace("[0, 1]", "[0]"))), tmp_path)
    theirs, free = (laboratory.folder.run(plan.key) for plan in laboratory.planned)
    with held(theirs.lock):
        worker = threading.Thread(target=laboratory.work, args=(told(),))
        worker.start()
        until(free.record.exists)
        assert not theirs.record.exists()
    worker.join(60)
    assert theirs.record.exists()


def until(holds):
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_another_process_has_made_is_not_made_again(write, tmp_path):
    laboratory = Laboratory(compose(write(HERE, rows=FEW)), tmp_path)
    laboratory.work(told())
    times = {path: path.stat().st_mtime_ns for path in laboratory.folder.path.glob("runs/*/record.json")}
    assert len(times) == 4
    again = told()
    laboratory.work(again)
    assert text(again) == ""
    assert {path: path.stat().st_mtime_ns for path in times} == times


@pytest.fixture
def listening(write):
    """`listening(messages of the first process, of the second)`: what `Local` makes of them."""
    local = Local(compose(write(HERE, rows=FEW)), 2)

    def listen(*processes):
        reporter, pipes = told(), {}
        for messages in processes:
            here, there = Pipe(duplex=False)
            for message in messages:
                there.send(message)
            there.close()
            pipes[here] = reporter.beside()
        local._listen(pipes, reporter)
        return text(reporter)

    return listen


RUN = [("begin", ("[1/2] rot, seed 0", "")), ("end", ({"status": "finished", "seconds": 3.0}, None))]


def test_what_processes_tell_is_told_on(listening):
    said = listening([*RUN, ("done", ())], [("done", ())])
    assert said.splitlines() == ["[1/2] rot, seed 0: 3 s"]


def test_a_process_that_died_is_told_of_when_the_others_are_done(listening):
    assert "1 of 2 processes died" in listening(RUN[:1], [("done", ())])


def test_an_error_in_a_process_is_the_studys(listening):
    with pytest.raises(UserError, match="no record") as caught:
        listening([("error", ("no record", "Delete it."))], [])
    assert caught.value.fix == "Delete it."


@pytest.mark.parametrize("end", [Stopped(15), BrokenPipeError(32, "nobody listens")])
def test_a_process_that_is_ended_while_it_tells_of_an_error_ends_quietly(monkeypatch, tmp_path, end):
    def made(*given):
        raise UserError("photo.jpg is truncated", "Mend it.")

    def send(said):
        assert said == ("error", ("photo.jpg is truncated", "Mend it."))
        raise end

    monkeypatch.setattr(local, "Laboratory", made)
    monkeypatch.setattr(local, "heed", lambda: None)
    monkeypatch.setattr(local.signal, "signal", lambda *given: None)
    local.work(None, tmp_path, torch.get_num_threads(), SimpleNamespace(send=send))


def test_when_all_processes_died_the_study_says_so(listening):
    with pytest.raises(UserError, match="all processes of the study died"):
        listening([], [])


@pytest.mark.parametrize("jobs", [0, -1])
def test_no_processes_is_an_error(write, jobs):
    with pytest.raises(UserError, match=f"--jobs is {jobs}"):
        Local(compose(write(HERE, rows=FEW)), jobs)
