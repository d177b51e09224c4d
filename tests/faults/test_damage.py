"""kill -9, full and read-only disks, damage, signals, two at once, odd clocks: told in two lines, or made again."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import matplotlib
import pytest
import yaml

from .conftest import MOMENTS


def two_lines(said, *words):
    lines = said[said.index("error:") :].splitlines()
    assert len(lines) == 2, said
    assert all(word in said for word in words), said


def runs(lab, results, study=None):
    code, said = lab(results, "runs", "toy", "--json", "--results", str(results), bare=True)
    assert code == 0, said
    return [json.loads(line) for line in said.splitlines()]


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


@pytest.fixture(scope="module")
def stopped(lab, tmp_path_factory):
    """Results of a study that was killed when the checkpoint of RotNet's first epoch was in place."""
    results = tmp_path_factory.mktemp("stopped")
    code, said = lab(results, fault="in place", file="checkpoint.pt", at=1)
    assert code == -signal.SIGKILL, said
    return results


@pytest.fixture
def begun(stopped, tmp_path):
    """A copy of them, and the folder of that run."""
    results = shutil.copytree(stopped, tmp_path / "results")
    return results, next(results.glob("toy/runs/*/checkpoint.pt")).parent


def test_killed_again_and_again_while_it_writes(lab, tmp_path):
    """Half a checkpoint, half put in place: the record; put in place, and nothing after it: the table."""
    for moment, file, at in zip(MOMENTS, ("checkpoint.pt", "record.json", "table.csv"), (2, 1, 1), strict=True):
        code, said = lab(tmp_path, fault=moment, file=file, at=at)
        assert code == -signal.SIGKILL, said
    lab.check(tmp_path)


def test_a_disk_that_is_full_or_read_only_is_told_and_survived(lab, tmp_path):
    for fault, file in (("disk full", "checkpoint.pt"), ("read-only", "record.json")):
        code, said = lab(tmp_path, fault=fault, file=file, at=1)
        assert code == 2, said
        two_lines(said, "No space left" if fault == "disk full" else "Read-only", str(tmp_path / "toy" / "runs"))
        assert not list(tmp_path.glob("toy/**/.*.tmp*"))
    lab.check(tmp_path)


def test_damaged_files_are_told_or_made_again(lab, begun):
    """One story: a flipped checkpoint, then flipped features and record of the finished study."""
    results, folder = begun
    flip(folder / "checkpoint.pt")
    code, said = lab(results)
    assert code == 2
    two_lines(said, str(folder / "checkpoint.pt"), "is damaged", "Delete this file")
    (folder / "checkpoint.pt").unlink()
    lab.check(results, fault="clock")

    flip(next(folder.glob("features/*/test-conv2.npy")))
    record = folder / "record.json"
    facts = json.loads(record.read_text())
    record.unlink()
    lab.check(results)
    assert json.loads(record.read_text())["evaluations"] == facts["evaluations"]

    record.write_text(record.read_text().replace('"value": ', '"value": 1', 1))
    code, said = lab(results)
    assert code == 2
    two_lines(said, str(record), "is damaged", "Delete this file")


@pytest.mark.faults
def test_a_damaged_encoder_comes_from_the_checkpoint_or_is_told(lab, tmp_path):
    shutil.copytree(lab.whole, tmp_path, dirs_exist_ok=True)
    folder = next(tmp_path.glob("toy/runs/*/checkpoint.pt")).parent
    (folder / "record.json").unlink()
    flip(folder / "encoder.safetensors")
    code, said = lab(tmp_path)
    assert code == 0, said
    assert lab.table(tmp_path) == lab.table(lab.whole)

    flip(folder / "encoder.safetensors")
    code, said = lab(tmp_path, "probes=[knn,cluster]")
    assert code == 2
    two_lines(said, str(folder / "encoder.safetensors"), f"delete {folder / 'record.json'}")


def test_a_signal_ends_a_study_in_order(lab, begun):
    """Sent while the checkpoint of the second epoch lies half-written beside that of the first."""
    results, folder = begun
    assert (folder / ".lock").exists()  # of a dead owner
    first = (folder / "checkpoint.pt").read_bytes()
    for name, code in (("SIGTERM", 143), ("SIGINT", 130)):
        found, said = lab(results, fault=name, file="checkpoint.pt", at=1)
        assert found == code, said
        assert not list(results.glob("toy/**/.*"))
        assert (folder / "checkpoint.pt").read_bytes() == first
        assert yaml.safe_load((folder / "run.yaml").read_text())["stopped"] == name
        [run] = [run for run in runs(lab, results) if run["row"] == "RotNet"]
        assert (run["state"], run["note"]) == ("unfinished", f"stopped by {name}")
    lab.check(results)


def test_two_at_once_train_each_run_once(lab, tmp_path):
    codes, said = lab(tmp_path, twice=True)
    assert codes == [0, 0], said
    ended = [line for line in said.splitlines() if line.startswith("[") and ": step " not in line]
    assert sorted(line.split(", seed")[0][6:] for line in ended) == ["RotNet", "random"]
    assert lab.table(tmp_path) == lab.table(lab.whole)


def test_a_moved_folder_goes_on_and_another_torch_is_told(lab, begun):
    results, _ = begun  # copied, so moved
    said = lab.check(results, fault="another torch")
    assert "1 already done" in said
    table = (results / "toy" / "table.md").read_text()
    assert "trained with different versions of torch" in table
    assert "then 99.0.0 (1 run)" in table


def test_an_edited_study_mixes_nothing_and_its_old_runs_are_listed(lab, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(lab.whole, results)
    study = tmp_path / "toy.yaml"
    study.write_text(lab.study.read_text().replace("epochs: 3", "epochs: 1"))
    code, said = lab(results, study=study)
    assert code == 0, said
    assert lab.table(results) != lab.table(lab.whole)
    listed = {(run["row"], run["stale"]): run for run in runs(lab, results)}
    assert set(listed) == {("random", False), ("RotNet", False), ("RotNet", True)}
    assert listed["RotNet", True]["epochs"] == listed["RotNet", True]["of"] == 3
    assert listed["RotNet", True]["hash"] not in (results / "toy" / "records.json").read_text()
    assert "1 already done" in said  # random, whose settings are the same
    code, said = lab(results)
    assert "2 already done" in said
    assert lab.table(results) == lab.table(lab.whole)


def test_nothing_is_written_outside_results_and_caches(lab):
    """Python's bytecode, beside which numba keeps what it compiled, is a cache too; what is temporary is gone again."""
    caches = (lab.caches, Path(matplotlib.get_cachedir()), Path(matplotlib.get_configdir()))
    assert any(path.endswith("record.json") for path in lab.touched)
    assert list(lab.temporary.iterdir()) == []
    strays = {
        path
        for path in map(Path, lab.touched - {os.devnull})
        if not any(path.is_relative_to(place) for place in (lab.whole, lab.temporary, *caches))
    }
    assert sorted(str(path) for path in strays if "__pycache__" not in (path.name, path.parent.name)) == []


@pytest.mark.faults
def test_a_small_disk_fills_and_is_emptied(lab, tmp_path):
    """A real one, which says ENOSPC wherever it likes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        for size in range(400, 4000, 200):
            subprocess.run(["mount", "-o", f"remount,size={size}k", disk], check=True)
            code, said = lab(disk, lab.DRAWN)
            if code == 0:
                break
            assert code == 2, said
            two_lines(said, "No space left on device")
        assert size > 400
        subprocess.run(["mount", "-o", f"remount,size={2 * size}k", disk], check=True)  # for a file beside the old one
        lab.check(disk, (lab.DRAWN,))
    finally:
        subprocess.run(["umount", disk], check=True)
