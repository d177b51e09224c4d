"""Full and read-only disks, damaged files, signals, two at once, odd clocks: told in two lines, or made again."""

import json
import shutil
import subprocess

import pytest
import yaml

FIRST_EPOCH = 0.38  # share of the writes after which the checkpoint of RotNet's first epoch is about to be there
TRAINED = 0.55  # share of the writes after which RotNet's checkpoints are there, its record not yet


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


def killed_before_its_record(lab, results, share=TRAINED):
    """Killed when RotNet has a checkpoint and no record; returns the folder of that run."""
    for at in range(int(share * lab.writes), lab.writes):
        shutil.rmtree(results, ignore_errors=True)
        lab(results, fault="in place", at=at)
        if found := list(results.glob("toy/runs/*/checkpoint.pt")):
            return found[0].parent
    raise AssertionError("no checkpoint was ever there")


def test_a_disk_that_is_full_or_read_only_is_told_and_survived(lab, tmp_path):
    for number, fault in enumerate(("disk full", "read-only")):
        code, said = lab(tmp_path, fault=fault, at=int((0.3 + 0.3 * number) * lab.writes))
        assert code == 2, said
        two_lines(said, "No space left" if fault == "disk full" else "Read-only", str(tmp_path))
        assert not list(tmp_path.glob("toy/**/.*.tmp*"))
    lab.check(tmp_path)


def test_damaged_files_are_told_or_made_again(lab, tmp_path):
    """One story: a flipped checkpoint, then flipped features, encoder and record of the finished study."""
    folder = killed_before_its_record(lab, tmp_path)
    flip(folder / "checkpoint.pt")
    code, said = lab(tmp_path)
    assert code == 2
    two_lines(said, str(folder / "checkpoint.pt"), "is damaged", "Delete this file")
    (folder / "checkpoint.pt").unlink()
    lab.check(tmp_path, fault="clock")

    flip(next(folder.glob("features/*/test-conv2.npy")))
    record = folder / "record.json"
    facts = json.loads(record.read_text())
    record.unlink()
    lab.check(tmp_path)
    assert json.loads(record.read_text())["evaluations"] == facts["evaluations"]

    record.write_text(record.read_text().replace('"value": ', '"value": 1', 1))
    code, said = lab(tmp_path)
    assert code == 2
    two_lines(said, str(record), "is damaged", "Delete this file")
    record.unlink()
    flip(folder / "encoder.safetensors")
    lab.check(tmp_path)  # from the checkpoint, which is whole

    flip(folder / "encoder.safetensors")
    code, said = lab(tmp_path, "probes=[knn,cluster]")
    assert code == 2
    two_lines(said, str(folder / "encoder.safetensors"), f"delete {record}")


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_ends_a_study_in_order(lab, tmp_path, name, code):
    folder = killed_before_its_record(lab, tmp_path, FIRST_EPOCH)
    assert (folder / ".lock").exists()  # of a dead owner
    found, said = lab(tmp_path, fault=name, at=4)
    assert found == code, said
    assert not list(tmp_path.glob("toy/**/.*"))
    assert yaml.safe_load((folder / "run.yaml").read_text())["stopped"] == name
    [run] = [run for run in runs(lab, tmp_path) if run["row"] == "RotNet"]
    assert (run["state"], run["note"]) == ("unfinished", f"stopped by {name}")
    lab.check(tmp_path)


def test_two_at_once_train_each_run_once(lab, tmp_path):
    codes, said = lab(tmp_path, twice=True)
    assert codes == [0, 0], said
    assert sorted(line.split(", seed")[0][6:] for line in said.splitlines() if line.startswith("[")) == [
        "RotNet",
        "random",
    ]
    assert lab.table(tmp_path) == lab.table(lab.whole)


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


def test_nothing_is_written_outside_results_and_caches(lab, tmp_path):
    code, said = lab(tmp_path, fault="watch")
    assert code == 0, said
    touched = {line.split(" ", 1)[1] for line in said.splitlines() if line.startswith("touched ")}
    assert any(path.startswith(str(tmp_path)) for path in touched)
    known = (str(tmp_path), str(lab.study.parent / "cache"), "/dev/", "/tmp/")
    assert [path for path in touched if not path.startswith(known) and "cache" not in path.lower()] == []


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
            code, said = lab(disk)
            if code == 0:
                break
            assert code == 2, said
            two_lines(said, "No space left on device")
        assert size > 400
        lab.check(disk)
    finally:
        subprocess.run(["umount", disk], check=True)
