"""A small study from its file to its table: everything is there, nothing is done twice, and a kill loses nothing."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from typer.testing import CliRunner

from augstudy import cli
from augstudy.learn.checkpoint import load_encoder, read_card

STUDY = """defaults: [/study, /scale: smoke, _self_]
title: A toy
image: {{name: {image}}}
probe_data: {{name: photos, settings: {{train_per_class: 20, test_per_class: 5}}}}
rows:
  - {{label: random, method: random}}
  - {{label: RotNet, method: {{name: rotnet, epochs: 5}}}}
  - {{label: MoCo, method: moco}}
corpus: {{count: 96}}
features: {{train: 150, test: 60, calibrate: 100}}
figures: [layer_curves, filters, corpus]
"""
LAYERS = ["conv1", "conv2", "conv3", "conv4"]
ROWS = ["random", "RotNet", "MoCo"]


def run(path, results, *overrides):
    """`augstudy run` in this process; raises what it raises."""
    arguments = ["run", str(path), "--results", str(results), *overrides]
    done = CliRunner().invoke(cli.app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def study(tmp_path_factory, picture_file):
    path = tmp_path_factory.mktemp("study") / "toy.yaml"
    path.write_text(STUDY.format(image=picture_file))
    return path


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory):
    """The folder of the study's results after one uninterrupted run; tests that change it copy it first."""
    results = tmp_path_factory.mktemp("results")
    run(study, results)
    return results / "toy"


@pytest.fixture
def own(finished, tmp_path):
    """A copy of the finished results."""
    shutil.copytree(finished, tmp_path / "toy")
    return tmp_path / "toy"


def runs_of(folder):
    index = yaml.safe_load((folder / "study.yaml").read_text())
    return {entry["label"]: folder / "runs" / entry["hash"] for entry in index["runs"]}


def times(folder, name):
    return {path: path.stat().st_mtime_ns for path in folder.glob(f"runs/*/{name}")}


def top1(frame, probe="linear"):
    return frame[(frame["metric"] == "top1") & (frame["probe"] == probe)]


def test_the_table_has_every_row_and_layer(finished):
    frame = top1(pd.read_csv(finished / "table.csv"))
    assert list(zip(frame["label"], frame["layer"], strict=True)) == [(r, c) for r in ROWS for c in LAYERS]
    assert frame["value"].between(0, 100).all()
    assert not frame["value"].isna().any()
    markdown = (finished / "table.md").read_text()
    assert all(row in markdown for row in ROWS)
    assert "texture.png" in markdown


def test_the_figures_are_drawn(finished):
    for name in ("layer_curves", "filters", "corpus"):
        assert (finished / "figures" / f"{name}.png").stat().st_size > 1000
        assert "<svg" in (finished / "figures" / f"{name}.svg").read_text()[:2000]


def test_every_run_says_where_its_numbers_came_from(finished):
    for label, folder in runs_of(finished).items():
        facts = yaml.safe_load((folder / "run.yaml").read_text())
        assert facts["label"] == label
        for key in ("study", "scale", "method", "seed", "hash", "date", "commit", "device", "threads", "precision"):
            assert facts[key] is not None, key
        assert facts["seconds"] >= 0
        assert {"python", "torch", "kornia", "lightly", "augstudy"} <= facts["versions"].keys()
        assert set(facts["config"]) == {"method", "backbone", "view", "corpus", "full"}
        assert (facts["image_used"] is None) == (label == "random")
        if label != "random":
            assert facts["image_used"]["used"] == "texture.png"
            assert len(facts["image_used"]["sha256"]) == 64
            assert facts["config"]["corpus"]["count"] == 96


def test_every_run_leaves_its_files_and_nothing_half_written(finished):
    for label, folder in runs_of(finished).items():
        record = json.loads((folder / "record.json").read_text())
        assert record["status"] == "finished"
        assert record["layers"] == LAYERS
        assert (folder / "encoder.safetensors").exists()
        if label != "random":
            epochs = yaml.safe_load((folder / "run.yaml").read_text())["config"]["method"]["epochs"]
            assert len((folder / "metrics.csv").read_text().splitlines()) == 1 + epochs
            assert record["pretext"]
    assert not list(finished.rglob("*.tmp*"))


def test_a_second_run_trains_nothing_and_changes_no_number(own, study):
    before = {name: times(own, name) for name in ("record.json", "checkpoint.pt", "encoder.safetensors", "run.yaml")}
    figures = {path: path.stat().st_mtime_ns for path in (own / "figures").iterdir()}
    assert len(figures) == 6
    table = (own / "table.csv").read_bytes()
    output = run(study, own.parent)
    assert "3 already done" in output
    assert {name: times(own, name) for name in before} == before
    assert (own / "table.csv").read_bytes() == table
    assert {path: path.stat().st_mtime_ns for path in (own / "figures").iterdir()} == figures


def test_a_clone_redraws_from_the_studys_records_but_takes_no_run_for_done(own, study):
    table = (own / "table.csv").read_bytes()
    for path in own.glob("runs/*/record.json"):
        path.unlink()
    done = CliRunner().invoke(cli.app, ["table", "toy", "--results", str(own.parent)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert (own / "table.csv").read_bytes() == table
    assert "[3/3] MoCo" in run(study, own.parent)


def test_a_new_probe_is_measured_without_training(own, study):
    before = {name: times(own, name) for name in ("checkpoint.pt", "encoder.safetensors")}
    linear = top1(pd.read_csv(own / "table.csv"))
    run(study, own.parent, "probes=[linear,knn]", "figures=[]")
    assert {name: times(own, name) for name in before} == before
    frame = pd.read_csv(own / "table.csv")
    assert list(top1(frame, "linear")["value"]) == list(linear["value"])
    assert len(top1(frame, "knn")) == len(ROWS) * len(LAYERS)


def test_claims_are_judged_without_training_and_again_from_the_records(own, study):
    before = times(own, "checkpoint.pt")
    claim = "{say: MoCo beats chance, greater: {label: MoCo, layer: conv2}, than: {label: random}}"
    output = run(study, own.parent, f"claims=[{claim}]", "figures=[]")
    assert "3 already done" in output
    assert times(own, "checkpoint.pt") == before
    assert "not shown" in output  # one seed
    claims = (own / "claims.csv").read_bytes()
    (own / "claims.csv").unlink()
    done = CliRunner().invoke(cli.app, ["table", "toy", "--results", str(own.parent)], catch_exceptions=False)
    assert "not shown" in done.output
    assert (own / "claims.csv").read_bytes() == claims
    assert "MoCo beats chance" in (own / "table.md").read_text()


def test_a_new_row_trains_only_itself(own, study):
    before = times(own, "checkpoint.pt")
    longer = own.parent / "toy.yaml"
    row = "  - {label: RotNet again, method: {name: rotnet, epochs: 1}}\n"
    longer.write_text(study.read_text().replace("corpus: {", f"{row}corpus: {{", 1))
    run(longer, own.parent, "figures=[]")
    after = times(own, "checkpoint.pt")
    assert before.items() < after.items()
    assert len(after) == len(before) + 1
    assert len(top1(pd.read_csv(own / "table.csv"))) == 4 * len(LAYERS)


def test_a_record_lost_after_training_costs_no_training(own, study):
    """As after a kill between the last epoch and the record: the checkpoint is complete."""
    table, checkpoints = (own / "table.csv").read_bytes(), times(own, "checkpoint.pt")
    (runs_of(own)["RotNet"] / "record.json").unlink()
    run(study, own.parent, "figures=[]")
    assert times(own, "checkpoint.pt") == checkpoints
    assert (own / "table.csv").read_bytes() == table


def test_table_and_figures_are_made_again_from_the_records(own):
    table = (own / "table.csv").read_bytes()
    (own / "table.csv").unlink()
    shutil.rmtree(own / "figures")
    for command in ("table", "figures"):
        done = CliRunner().invoke(cli.app, [command, "toy", "--results", str(own.parent)], catch_exceptions=False)
        assert done.exit_code == 0
    assert (own / "table.csv").read_bytes() == table
    assert (own / "figures" / "filters.png").exists()


def test_seeds_repeat_with_other_numbers_and_the_table_counts_them(study, own):
    run(study, own.parent, "seeds=[0,1]", "rows=[{label: random, method: random}]", "figures=[]")
    frame = top1(pd.read_csv(own / "table.csv"))
    assert list(frame["seed"].unique()) == [0, 1]
    values = frame.pivot_table(index=["label", "layer"], columns="seed", values="value")
    assert (values[0] != values[1]).any()


def test_a_row_that_diverges_is_recorded_and_the_study_goes_on(study, tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text(study.read_text().replace("rotnet, epochs: 5", "rotnet, lr: 1e30"))
    output = run(path, tmp_path, "figures=[]")
    assert "FAILED" in output
    records = {k: json.loads((v / "record.json").read_text()) for k, v in runs_of(tmp_path / "toy").items()}
    assert [records[row]["status"] for row in ROWS] == ["finished", "failed", "finished"]
    assert records["RotNet"]["reason"]
    frame = top1(pd.read_csv(tmp_path / "toy" / "table.csv"))
    assert set(frame["label"]) == {"random", "MoCo"}
    assert "RotNet" in (tmp_path / "toy" / "table.md").read_text()


def killed_in_rotnet(study, results, name, *overrides):
    """The study's runs after kill -9 once RotNet, whose hash is `name`, has finished an epoch."""
    threads = {f"{library}_NUM_THREADS": str(torch.get_num_threads()) for library in ("OMP", "MKL")}
    command = [Path(sys.executable).with_name("augstudy"), "run", study, "--results", results, *overrides]
    checkpoint = results / "toy" / "runs" / name / "checkpoint.pt"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | threads)
    try:
        deadline = time.monotonic() + 500  # two devices begin in processes of their own, each with its imports
        while not checkpoint.exists():
            assert process.poll() is None, "the study ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    killed = runs_of(results / "toy")
    assert (killed["random"] / "record.json").exists()
    assert not (killed["RotNet"] / "record.json").exists()
    assert not killed["MoCo"].exists()
    return killed


def test_a_study_killed_in_the_middle_of_a_method_goes_on_to_the_same_table(finished, study, tmp_path):
    """Byte for byte the table of the uninterrupted run comes out."""
    killed = killed_in_rotnet(study, tmp_path, runs_of(finished)["RotNet"].name)
    run(study, tmp_path, "figures=[]")
    assert (tmp_path / "toy" / "table.csv").read_bytes() == (finished / "table.csv").read_bytes()
    for label, folder in killed.items():
        whole = (runs_of(finished)[label] / "encoder.safetensors").read_bytes()
        assert (folder / "encoder.safetensors").read_bytes() == whole, label


@pytest.mark.slow
def test_two_devices_leave_what_one_leaves_also_when_killed_on_the_way(finished, study, tmp_path):
    """The same runs, files and lines of the table; weights and numbers but for last bits."""
    two = ("device=cpu", "devices=2")
    killed_in_rotnet(study, tmp_path, runs_of(finished)["RotNet"].name, *two)
    run(study, tmp_path, "figures=[]", *two)
    for label, folder in runs_of(tmp_path / "toy").items():
        of_one = runs_of(finished)[label]
        assert folder.name == of_one.name
        assert left_by(folder) == left_by(of_one)
        for a, b in zip(*(load_encoder(of).state_dict().values() for of in (folder, of_one)), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-3)  # single precision, up to fifteen steps apart
    numbers = ["value", "low", "high"]
    ours, theirs = (pd.read_csv(of / "table.csv").drop(columns=numbers) for of in (tmp_path / "toy", finished))
    assert ours.equals(theirs)


def left_by(folder):
    """Files of a run; those of TensorBoard have names of their own, and are one for each time it was begun.

    Features lie in a folder named by the encoder's weights, which differ in last bits.
    """
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {re.sub(r"^features/\w+/", "features/", name) for name in files if "tfevents" not in name}


def test_results_of_two_studies_do_not_meet(study, tmp_path):
    for name in ("one", "two"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(study.read_text())
        run(path, tmp_path / "results", "rows=[{label: random, method: random}]", "figures=[]")
    assert sorted(p.name for p in (tmp_path / "results").iterdir()) == ["one", "two"]


def test_a_backbone_whose_first_layer_has_another_name_runs_as_well(picture_file, tmp_path):
    path = tmp_path / "other.yaml"
    head = STUDY.format(image=picture_file).partition("rows:")[0].replace("train_per_class: 20", "train_per_class: 5")
    path.write_text(
        head + "rows: [{label: NIN, method: random, backbone: nin}]\nfeatures: {calibrate: 20}\nfigures: []\n"
    )
    run(path, tmp_path, "backbone.width=0.125")
    (folder,) = (tmp_path / "other" / "runs").iterdir()
    assert np.load(folder / "filters.npy").shape == (24, 5, 5, 3)
    assert json.loads((folder / "record.json").read_text())["layers"][0] == "block1"
    assert load_encoder(folder).names == read_card(folder)["layers"]
    assert read_card(folder)["input"]["size"] is None  # nothing was trained
