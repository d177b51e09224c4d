"""Runs as Ray tasks: a worker that is killed costs an epoch at most, and the numbers stay the same."""

import io
import subprocess
import sys
from importlib.util import find_spec
from queue import SimpleQueue

import pytest
from rich.console import Console
from typer.testing import CliRunner

from augstudy import cli
from augstudy.core.errors import UserError
from augstudy.core.records import read_record
from augstudy.study.compose import compose
from augstudy.study.launch.base import Relay
from augstudy.study.launch.ray import Ray, Screen
from augstudy.study.pipeline import Laboratory
from augstudy.study.progress import Reporter

HERE = "image: {name: hubble}\nprobe_data: {name: photos, settings: {train_per_class: 5, test_per_class: 5}}\n"
FEW = "rows:\n  - {label: random, method: random}\n  - {label: rot, method: {name: rotnet, epochs: 4}}\nseeds: [0, 1]\n"
FEW += "corpus: {count: 256}\nfeatures: {train: 60, test: 60, calibrate: 60}\nprobes: [knn]\n"

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs ray: pip install 'augstudy[ray]'")

KILLED = """
import os, signal, sys, threading, time
from pathlib import Path
import ray
import torch
from rich.console import Console
from augstudy.study.compose import compose
from augstudy.study.launch.ray import Ray
from augstudy.study.pipeline import Laboratory
from augstudy.study.progress import Reporter

def kill_the_worker_of(folder):
    while not folder.checkpoint.exists():
        time.sleep(0.01)
    inode = str(folder.lock.stat().st_ino)
    owners = [line.split()[4] for line in Path("/proc/locks").read_text().splitlines() if f":{inode} " in line]
    os.kill(int(owners[0]), signal.SIGKILL)
    print("killed one", flush=True)

torch.set_num_threads(1)
study, results = compose(Path(sys.argv[1])), Path(sys.argv[2])
Laboratory(study, results / "alone").work(Reporter(Console(file=open(os.devnull, "w"))))
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
laboratory = Laboratory(study, results / "ray")
victim = next(plan for plan in laboratory.planned if plan.run.label == "rot")
threading.Thread(target=kill_the_worker_of, args=(laboratory.folder.run(victim.key),), daemon=True).start()
laboratory.run(Reporter(Console(width=200)), Ray(study))
"""


@pytest.mark.slow
@needs_ray
def test_a_killed_worker_of_two_leaves_its_run_to_another_which_goes_on_to_the_same_record(write, tmp_path):
    path = write(HERE, rows=FEW)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, path, tmp_path], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "killed one" in done.stdout
    assert "its worker was lost; another one goes on" in done.stdout
    ended = [line for line in done.stdout.splitlines() if line.startswith("[") and ": step " not in line]
    assert sorted(line[:5] for line in ended) == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"], done.stdout
    laboratory = Laboratory(compose(path), tmp_path / "ray")
    assert not laboratory.unfinished()
    for plan in laboratory.planned:
        alone, there = (
            read_record(tmp_path / at / "toy" / "runs" / plan.key / "record.json") for at in ("alone", "ray")
        )
        for key in ("status", "evaluations", "pretext"):
            assert alone[key] == there[key]


@pytest.mark.slow
@needs_ray
def test_the_command_runs_a_study_on_ray(write, tmp_path):
    call = "import sys\nfrom augstudy.cli import main\nmain()"
    command = ["run", str(write(HERE, rows=FEW)), "--results", str(tmp_path / "results"), "--launcher", "ray"]
    done = subprocess.run([sys.executable, "-c", call, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[4/4] rot, seed 1" in done.stdout
    assert (tmp_path / "results" / "toy" / "table.csv").exists()


def test_without_ray_the_error_names_the_extra(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)  # so that an import fails as it does where there is none
    with pytest.raises(UserError) as caught:
        Ray(compose(write(HERE, rows=FEW)))
    assert "needs the package ray" in caught.value.what
    assert "augstudy[ray]" in caught.value.fix


@pytest.mark.parametrize(
    ("text", "word"),
    [("resources: {cpu: 2}", "'cpus'"), ("resources: {cpus: 0}", "cpus"), ("resources: [1]", "resources")],
)
def test_a_mistake_in_resources_is_told_at_once_whatever_the_launcher(write, tmp_path, text, word):
    with pytest.raises(UserError, match="resources") as caught:
        Laboratory(compose(write(HERE + text, rows=FEW)), tmp_path)
    assert word in str(caught.value)


@needs_ray
@pytest.mark.parametrize("name", ["WorkerCrashedError", "OutOfMemoryError", "NodeDiedError"])
def test_a_run_that_lost_its_last_worker_is_noted_whatever_took_it(write, tmp_path, monkeypatch, name):
    laboratory = Laboratory(compose(write(HERE, rows=FEW)), tmp_path)
    launcher, lost = Ray(laboratory.study), list[str]()

    def get(task):
        kind = getattr(launcher.ray.exceptions, name)
        raise kind() if name == "WorkerCrashedError" else kind("gone")

    monkeypatch.setattr(launcher.ray, "get", get)
    assert launcher._outcome(None, laboratory.planned[0], lost)
    assert lost == ["random, seed 0"]


def test_resources_are_no_part_of_a_hash(write, tmp_path):
    keys = [
        [plan.key for plan in Laboratory(compose(write(HERE + text, rows=FEW)), tmp_path).planned]
        for text in ("", "resources: {cpus: 4, gpus: 1, hours: 2}")
    ]
    assert keys[0] == keys[1]


def test_an_unknown_launcher_is_an_error(write):
    done = CliRunner().invoke(cli.app, ["run", str(write(HERE, rows=FEW)), "--launcher", "slrum"])
    assert isinstance(done.exception, UserError)
    assert "'slurm'" in done.exception.fix


def test_what_tasks_tell_is_told_on_and_a_second_begin_means_a_lost_worker():
    reporter, queue = Reporter(Console(file=io.StringIO(), width=200)), SimpleQueue()
    relays = {key: Relay(lambda *said, key=key: queue.put((key, *said))) for key in ("a", "b")}
    for key in ("a", "b", "a"):
        relays[key].begin(f"[1/2] {key}", "")
    relays["a"].end({"status": "finished", "seconds": 3.0})
    screen = Screen(reporter)
    screen.show([queue.get() for _ in range(4)])
    assert list(screen.shown) == ["b"]
    screen.close()
    text = reporter.console.file.getvalue()
    assert "note: [1/2] a: its worker was lost" in text
    assert text.splitlines()[-1] == "[1/2] a: 3 s"
