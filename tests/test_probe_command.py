"""`augstudy probe` on an encoder of ours and on another's checkpoint."""

import json
import sys
from dataclasses import asdict

import pytest
import torch
from torchvision.models import resnet18
from typer.testing import CliRunner

from augstudy import cli
from augstudy.core.store import RunFolder
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.checkpoint import save_encoder

DATA = ["--data", "{name: photos, train_per_class: 8, test_per_class: 3}", "--calibrate", "20", "--dims", "64"]


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    torch.manual_seed(0)
    folder, part = RunFolder(tmp_path_factory.mktemp("run")), Conv4(width=0.125)
    save_encoder(folder, part.encoder(), "conv4", asdict(part))
    return folder.path


def call(*words):
    done = CliRunner().invoke(cli.app, ["probe", *map(str, words), *DATA], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_an_encoder_of_ours_is_probed_layer_by_layer(ours):
    lines = [json.loads(line) for line in call(ours, "--json").splitlines()]
    top1 = [line for line in lines if line["metric"] == "top1"]
    assert [line["layer"] for line in top1] == ["conv1", "conv2", "conv3", "conv4"]
    assert {(line["probe"], line["protocol"], line["data"]) for line in lines} == {("linear", "fast", "photos")}
    assert all(line["low"] <= line["value"] <= line["high"] for line in top1)


def test_layers_and_probes_are_chosen_and_the_table_names_the_protocol(ours):
    printed = call(ours / "encoder.safetensors", "--layers", "conv2", "--probe", "knn", "--probe", "linear")
    assert "linear (fast) on photos" in " ".join(printed.split())
    assert "knn on photos" in " ".join(printed.split())
    assert "conv1" not in printed


def test_anothers_checkpoint_is_probed_and_the_match_is_printed(tmp_path):
    torch.manual_seed(0)
    state = {f"module.encoder_q.{k}": v for k, v in resnet18().state_dict().items()}
    torch.save({"state_dict": state, "epoch": 200}, tmp_path / "moco.pth")
    printed = call(tmp_path / "moco.pth", "--backbone", "resnet", "--layers", "conv1,layer1", "--probe", "knn")
    assert "matched all 30 weights of the probed layers (prefix 'module.encoder_q.')" in " ".join(printed.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nowhere.pt"], "no file nowhere.pt"),
        (["OURS", "--layers", "conv9"], "no layer 'conv9'"),
        (["OURS", "--probe", "lienar"], "Did you mean 'linear'?"),
        (["OURS", "--probe", "{name: knn, kk: 3}"], "unknown key 'kk'"),
        (["BARE"], "--backbone resnet"),
        (["BARE", "--backbone", "conv4"], "lacks"),
    ],
)
def test_mistakes_are_two_lines(words, told, ours, tmp_path, monkeypatch, capsys):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "bare.pt")
    words = [{"OURS": str(ours), "BARE": str(tmp_path / "bare.pt")}.get(word, word) for word in words]
    monkeypatch.setattr(sys, "argv", ["augstudy", "probe", *words, *DATA])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert told in " ".join(capsys.readouterr().err.split())
