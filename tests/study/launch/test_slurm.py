"""Runs as tasks of an array job, with submitit's local executor in the place of Slurm."""

import io
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
from rich.console import Console
from typer.testing import CliRunner

from augstudy import cli
from augstudy.core.errors import UserError
from augstudy.study.compose import compose
from augstudy.study.launch import slurm
from augstudy.study.launch.slurm import Slurm, Task
from augstudy.study.pipeline import Laboratory
from augstudy.study.progress import Reporter

pytestmark = pytest.mark.skipif(find_spec("submitit") is None, reason="needs submitit: pip install 'augstudy[slurm]'")

HERE = "image: {name: hubble}\nprobe_data: {name: photos, settings: {train_per_class: 5, test_per_class: 5}}\n"
FEW = "rows:\n  - {label: random, method: random}\n  - {label: rot, method: {name: rotnet, epochs: 6}}\n"
FEW += "corpus: {count: 512}\nfeatures: {train: 60, test: 60, calibrate: 60}\nprobes: [knn]\n"

WARNED = """
import os, signal, sys, threading, time
from pathlib import Path
from rich.console import Console
from augstudy.study.compose import compose
from augstudy.study.launch import slurm
from augstudy.study.pipeline import Laboratory
from augstudy.study.progress import Reporter

slurm.LOOK = 0.1
laboratory = Laboratory(compose(Path(sys.argv[1])), Path(sys.argv[2]))
launcher = slurm.Slurm(laboratory, cluster="local")
folder = laboratory.folder.run(laboratory.planned[1].key)
submit = launcher._submit

def warn(controller):
    while not folder.checkpoint.exists():
        time.sleep(0.01)
    task = Path(f"/proc/{controller}/task/{controller}/children").read_text().split()[0]
    os.kill(int(task), signal.SIGUSR2)

def submitted(plans):
    jobs = submit(plans)
    threading.Thread(target=warn, args=(jobs[1].job_id,), daemon=True).start()
    return jobs

launcher._submit = submitted
laboratory.run(Reporter(Console(width=300)), launcher)
"""


@pytest.fixture
def laboratory(write, tmp_path):
    return lambda text="": Laboratory(compose(write(HERE + text, rows=FEW)), tmp_path / "results")


@pytest.mark.slow
def test_a_task_that_is_warned_of_its_end_is_queued_again_and_goes_on_after_its_last_epoch(laboratory, write, tmp_path):
    path = write(HERE, rows=FEW)
    done = subprocess.run(
        [sys.executable, "-c", WARNED, path, tmp_path / "results"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"2 tasks are submitted as local job \d+; their logs are in .*slurm", done.stdout)
    told = sorted(line.split("]")[1] for line in done.stdout.splitlines() if line.startswith("["))
    assert [line.split(":")[0] for line in told] == [" random, seed 0", " rot, seed 0"]
    there = laboratory()
    assert not there.unfinished()
    logs = "\n".join(log.read_text() for log in (there.folder.path / "slurm").glob("*_log.out"))
    assert "Requeued job" in logs
    assert "put back in the queue 1 times" in logs
    rows = there.folder.run(there.planned[1].key).metrics.read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "1", "2", "3", "4", "5", "6"]


def test_a_task_makes_its_run_and_no_other_and_a_second_one_finds_it_made(laboratory, capsys):
    there = laboratory()
    plan = there.planned[0]
    task = Task(there.study, there.folder.path.parent, plan.key, 1)
    assert task()
    assert "[1/2] random, seed 0" in capsys.readouterr().out
    assert [plan.run.label for plan in there.unfinished()] == ["rot"]
    assert not task.checkpoint().function()  # what is queued again: it finds the record
    assert "put back in the queue 1 times" in capsys.readouterr().out


def test_where_there_is_no_slurm_the_error_says_so(laboratory, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="there is no Slurm here") as caught:
        Slurm(laboratory())(Reporter(Console(file=io.StringIO())))
    assert "login node" in caught.value.fix


def test_runs_of_several_devices_may_be_made_at_the_same_time_on_a_cluster(write, tmp_path, monkeypatch):
    study = write(HERE + "devices: 2\n", rows=FEW)
    monkeypatch.setenv("PATH", "")
    asked = ["run", str(study), "--results", str(tmp_path), "--launcher", "slurm", "--jobs", "2"]
    done = CliRunner().invoke(cli.app, asked)
    assert isinstance(done.exception, UserError)
    assert "there is no Slurm here" in done.exception.what  # rather than that they would fight for the devices


def test_what_a_run_asks_for_is_what_slurm_is_asked_for(laboratory, monkeypatch, tmp_path):
    srun = tmp_path / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text("#!/bin/sh\n")
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", str(srun.parent))
    text = "resources: {cpus: 4, gpus: 1, memory_gb: 16, hours: 2, partition: long}"
    asked = Slurm(laboratory(text), jobs=8)._executor()._executor.parameters
    assert asked["time"] == 120
    assert asked["cpus_per_task"] == 4
    assert asked["gpus_per_node"] == 1
    assert asked["mem"] == "16GB"
    assert asked["partition"] == "long"
    assert asked["array_parallelism"] == 8
    assert asked["signal_delay_s"] == slurm.WARNING


def test_half_a_card_is_refused(laboratory):
    with pytest.raises(UserError, match=r"gpus is 0\.5"):
        Slurm(laboratory("resources: {gpus: 0.5}"))


class Dead:
    """A task that ended without leaving a record."""

    job_id = "12_0"

    def done(self):
        return True


def test_a_task_that_ended_before_its_run_did_ends_the_waiting_with_its_log(laboratory, monkeypatch):
    launcher = Slurm(laboratory(), cluster="local")
    monkeypatch.setattr(launcher, "_submit", lambda plans: [Dead() for _ in plans])
    with pytest.raises(UserError, match="2 of 2 tasks ended before their runs did, the first 12_0") as caught:
        launcher(Reporter(Console(file=io.StringIO(), width=300)))
    assert str(launcher.logs) in caught.value.fix


def test_without_waiting_it_returns_when_the_tasks_are_in_the_queue(laboratory, monkeypatch):
    launcher, reporter = (
        Slurm(laboratory(), wait=False, cluster="local"),
        Reporter(Console(file=io.StringIO(), width=300)),
    )
    monkeypatch.setattr(launcher, "_submit", lambda plans: [Dead() for _ in plans])
    launcher(reporter)
    assert "2 tasks are submitted as local job 12; their logs are in" in reporter.console.file.getvalue()
