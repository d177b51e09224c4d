"""Runs as tasks of an array job: submitit on this machine, or a queue that starts nothing, in the place of Slurm."""

import io
import re
import subprocess
import sys
import threading
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from augstudy import cli
from augstudy.core.errors import UserError
from augstudy.core.records import read_record
from augstudy.study import pipeline
from augstudy.study.compose import compose
from augstudy.study.launch import slurm
from augstudy.study.launch.slurm import Slurm, Task
from augstudy.study.pipeline import Laboratory
from augstudy.study.progress import Reporter

pytestmark = pytest.mark.skipif(find_spec("submitit") is None, reason="needs submitit: pip install 'augstudy[slurm]'")

HERE = "image: {name: hubble}\nprobe_data: {name: photos, settings: {train_per_class: 5, test_per_class: 5}}\n"
FEW = "rows:\n  - {label: random, method: random}\n  - {label: rot, method: {name: rotnet, epochs: 6}}\n"
FEW += "corpus: {count: 512}\nfeatures: {train: 60, test: 60, calibrate: 60}\nprobes: [knn]\n"
TAUGHT = "rows:\n  - {label: random, method: random}\n  - {label: t, method: supervised}\n"
TAUGHT += "  - {label: s, method: distillation, teacher: t}\nmethod: {epochs: 1}\nbackbone: {width: 0.125}\n"
TAUGHT += "features: {train: 60, test: 60, calibrate: 60}\nprobes: [knn]\nfigures: []\nloggers: [csv]\n"

WARNED = """
import os, signal, sys, threading, time
from pathlib import Path
from rich.console import Console
from augstudy.study.compose import compose
from augstudy.study.launch import slurm
from augstudy.study.pipeline import Laboratory
from augstudy.study.progress import Reporter

slurm.LOOK = 0.1
study = compose(Path(sys.argv[1]))
laboratory, launcher = Laboratory(study, Path(sys.argv[2])), slurm.Slurm(study, cluster="local")
key = laboratory.planned[1].key
submit = launcher._submit

def warn(controller):
    while not laboratory.folder.run(key).checkpoint.exists():
        time.sleep(0.01)
    task = Path(f"/proc/{controller}/task/{controller}/children").read_text().split()[0]
    os.kill(int(task), signal.SIGUSR2)

def submitted(*given):
    jobs = submit(*given)
    threading.Thread(target=warn, args=(jobs[key].job_id,), daemon=True).start()
    return jobs

launcher._submit = submitted
laboratory.run(Reporter(Console(width=300)), launcher)
"""


@pytest.fixture
def laboratory(write, tmp_path):
    return lambda text="", rows=FEW, **more: Laboratory(
        compose(write(HERE + text, rows=rows)), tmp_path / "results", **more
    )


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A Slurm that numbers its jobs from 1 and starts none; the folder of their scripts, by number."""
    commands, scripts = tmp_path / "bin", tmp_path / "queue"
    take = f'number=$(($(ls {scripts} | wc -l) + 1))\ncp "$1" {scripts}/$number\necho "Submitted batch job $number"\n'
    scripts.mkdir()
    commands.mkdir()
    for name, does in {"srun": "", "sbatch": take}.items():
        (commands / name).write_text(f"#!/bin/sh\n{does}")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(commands), prepend=":")
    return scripts


@pytest.fixture
def reporter():
    return Reporter(Console(file=io.StringIO(), width=300))


def text(reporter):
    return reporter.console.file.getvalue()


def asked(script, flag):
    """What a job's script asks Slurm for."""
    return re.findall(rf"^#SBATCH --{flag}=(.*)$", script.read_text(), re.MULTILINE)


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
    assert re.search(r"2 tasks are submitted as local jobs \d+, \d+; their logs are in .*slurm", done.stdout)
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
    task = Task(there.study, there.results, there.planned[0].key, 1)
    task()
    assert "[1/2] random, seed 0" in capsys.readouterr().out
    assert [plan.run.label for plan in there.unfinished()] == ["rot"]
    task.checkpoint().function()  # what is queued again: it finds the record
    said = capsys.readouterr().out
    assert "put back in the queue 1 times" in said
    assert "[1/2]" not in said


def test_a_task_waits_for_whom_holds_its_run_and_takes_it_over_when_that_one_dies(laboratory, held, monkeypatch):
    monkeypatch.setattr(pipeline, "WAIT", 0.05)
    there = laboratory()
    folder = there.folder.run(there.planned[0].key)
    task = threading.Thread(target=Task(there.study, there.results, there.planned[0].key, 1))
    with held(folder.lock):
        task.start()
        task.join(3)
        assert task.is_alive()
        assert not folder.record.exists()
    task.join(60)
    assert folder.record.exists()


def test_a_students_task_makes_the_teacher_that_nobody_makes(laboratory):
    there = laboratory(rows=TAUGHT)
    random, teacher, student = there.planned
    Task(there.study, there.results, student.key, 1)()
    assert there.unfinished() == [random]
    statuses = [read_record(there.folder.run(plan.key).record)["status"] for plan in (teacher, student)]
    assert statuses == ["finished", "finished"]


@pytest.mark.parametrize(
    ("jobs", "before", "at_a_time"), [(None, "afterany:1_2:1_3", "2"), (1, "afterany:1", "1")], ids=["all", "--jobs"]
)
def test_students_are_queued_behind_their_teachers(laboratory, queue, reporter, jobs, before, at_a_time):
    """With --jobs behind all, for an array counts its own tasks only."""
    there = laboratory("seeds: [0, 1]", TAUGHT)
    Slurm(there.study, jobs, wait=False)(there, reporter)
    first, second = sorted(queue.iterdir())
    assert asked(first, "dependency") == []
    assert asked(second, "dependency") == [before]
    assert asked(second, "array") == [f"0-1%{at_a_time}"]
    assert "6 tasks are submitted as slurm jobs 1, 2; their logs are in" in text(reporter)


def test_a_student_of_a_finished_teacher_waits_for_nobody(laboratory, queue, reporter):
    there = laboratory(rows=TAUGHT)
    Task(there.study, there.results, there.planned[1].key, 1)()
    Slurm(there.study, wait=False)(there, reporter)
    (only,) = queue.iterdir()
    assert asked(only, "array") == ["0-1%2"]
    assert asked(only, "dependency") == []


def test_what_sbatch_has_against_a_job_is_told(laboratory, queue, reporter):
    (queue.parent / "bin" / "sbatch").write_text("#!/bin/sh\necho 'invalid partition specified: lnog' >&2\nexit 1\n")
    there = laboratory("resources: {partition: lnog}")
    with pytest.raises(UserError, match=r"Slurm does not take the tasks .*invalid partition specified: lnog"):
        Slurm(there.study)(there, reporter)


def test_where_there_is_no_slurm_the_command_says_so_before_all_else(write, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "Laboratory", lambda *given, **more: pytest.fail("images were looked at"))
    monkeypatch.setenv("PATH", "")
    wanted = ["run", str(write(HERE, rows=FEW)), "--results", str(tmp_path), "--launcher", "slurm"]
    done = CliRunner().invoke(cli.app, wanted)
    assert isinstance(done.exception, UserError)
    assert "there is no Slurm here" in done.exception.what
    assert "login node" in done.exception.fix


def test_cards_are_asked_for_where_runs_are_made(laboratory, write, tmp_path, queue, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # as on most login nodes
    text = "device: cuda\ndevices: 2\nresources: {gpus: 2}\n"
    with pytest.raises(UserError, match="no CUDA device here"):
        laboratory(text)
    study = str(write(HERE + text, rows=FEW))
    wanted = ["run", study, "--results", str(tmp_path), "--launcher", "slurm", "--no-wait", "--jobs", "2"]
    done = CliRunner().invoke(cli.app, wanted, catch_exceptions=False)
    assert done.exit_code == 0
    assert asked(queue / "1", "gpus-per-node") == ["2"]
    with pytest.raises(UserError, match="device is 'gpu'"):
        laboratory("device: gpu\n", here=False)


def test_what_slurm_says_of_tasks_is_not_of_a_runs_processes(laboratory, queue, monkeypatch):
    """As where a study is run within a job of several tasks, or srun is there and not used."""
    for key, value in {"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "4", "SLURM_JOB_NAME": "runs"}.items():
        monkeypatch.setenv(key, value)
    assert laboratory().fabric.world_size == 1
    monkeypatch.delenv("SLURM_NTASKS")
    assert laboratory().fabric.world_size == 1


def test_what_a_run_asks_for_is_what_slurm_is_asked_for(laboratory, queue, reporter):
    there = laboratory("resources: {cpus: 4, gpus: 1, memory_gb: 16, hours: 2, partition: long}")
    Slurm(there.study, jobs=8, wait=False)(there, reporter)
    flags = {"time": "120", "cpus-per-task": "4", "gpus-per-node": "1", "mem": "16GB", "partition": "long"}
    flags |= {"array": "0-1%2", "signal": f"USR2@{slurm.WARNING}"}
    assert {flag: asked(queue / "1", flag) for flag in flags} == {flag: [value] for flag, value in flags.items()}


def test_half_a_card_is_refused(laboratory):
    with pytest.raises(UserError, match=r"gpus is 0\.5"):
        Slurm(laboratory("resources: {gpus: 0.5}").study)


class Job:
    """A task that ends, and may do its work, when it is looked at for the `looks`-th time."""

    def __init__(self, number, looks, task=None):
        self.job_id, self.left, self.task = f"12_{number}", looks, task

    def done(self):
        self.left -= 1
        if self.left == 0 and self.task:
            self.task()
        return self.left <= 0


def test_a_task_that_ended_before_its_run_did_ends_the_waiting_when_the_others_are_done(
    laboratory, reporter, monkeypatch
):
    monkeypatch.setattr(slurm, "LOOK", 0.0)
    there = laboratory()
    launcher, (one, two) = Slurm(there.study, cluster="local"), there.planned
    jobs = {one.key: Job(0, 5, Task(there.study, there.results, one.key, 1)), two.key: Job(1, 2)}
    monkeypatch.setattr(launcher, "_submit", lambda *given: jobs)
    with pytest.raises(UserError, match="1 of 2 tasks ended before their runs did, the first 12_1") as caught:
        launcher(there, reporter)
    assert str(there.folder.path / "slurm") in caught.value.fix
    submitted, lost, made = text(reporter).splitlines()
    assert "2 tasks are submitted as local job 12" in submitted
    assert "task 12_1 ended before its run did" in lost
    assert made.startswith("[1/2] random, seed 0: ")


def test_an_array_is_no_longer_than_slurm_lets_it_be(monkeypatch):
    monkeypatch.setattr(slurm, "LONGEST", 3)
    teachers = [SimpleNamespace(key=f"t{i}", lineage=(f"t{i}",)) for i in range(4)]
    students = [SimpleNamespace(key=f"s{i}", lineage=(f"t{i}", f"s{i}")) for i in range(4)]
    found = slurm.waves([plan for pair in zip(students, teachers, strict=True) for plan in pair])
    assert [[plan.key for plan in wave] for wave in found] == [["t0", "t1", "t2"], ["t3"], ["s0", "s1", "s2"], ["s3"]]
