"""`augstudy filters`, `stylize` and `neurons` from the command line."""

from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from augstudy import cli
from augstudy.core.errors import UserError
from augstudy.core.store import RunFolder, write_yaml
from augstudy.evaluate.visuals.encoders import untrained
from augstudy.learn.backbones.alexnet import AlexNet
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.checkpoint import save_encoder


@pytest.fixture(scope="module")
def runs(tmp_path_factory, picture_file):
    """Two run folders: a small network that saw a picture, and one with a Sobel front end."""
    folders = []
    for label, name, part in (
        ("MoCo", "conv4", Conv4(width=0.125)),
        ("Sobel", "alexnet", AlexNet(width=0.1, sobel=True)),
    ):
        folder = RunFolder(tmp_path_factory.mktemp(label))
        save_encoder(folder, untrained(part, seed=5), name, asdict(part))
        facts = {"label": label, "seed": 0, "image_used": {"used": str(picture_file)}}
        write_yaml(folder.provenance, facts | {"config": {"corpus": {"count": 40, "size": 32}}})
        folders.append(str(folder.path))
    return folders


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def call(*words):
    done = CliRunner().invoke(cli.app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def test_filters_of_several_encoders_make_one_picture_and_a_table(runs, tmp_path):
    told = call("filters", *runs, "random", "--out", tmp_path / "f.png")
    for word in ("MoCo", "Sobel", "random", "coloured", "duplicate", "0.38"):
        assert word in told
    assert pixels(tmp_path / "f.png").shape[1] == 1400


def test_stylize_takes_several_encoders_odd_sizes_and_a_named_layer(runs, picture_file, tmp_path):
    words = ("--encoder", runs[0], "--encoder", "random", "--size", 51, "--steps", 2, "--layers", "conv1,conv2")
    told = call("stylize", picture_file, "coffee", *words, "--out", tmp_path / "s.png")
    assert told.count("style 1 ->") == 2
    assert "cosine to the content at conv3" in told
    assert pixels(tmp_path / "s_1.png").shape[:2] == (38, 51)
    first, second = (pixels(tmp_path / f"s_{i}.png") for i in (1, 2))
    assert (first != second).any()


def test_neurons_show_units_and_the_crops_of_the_runs_own_image(runs, tmp_path):
    words = ("--units", "0,3", "--layer", "conv2", "--crops", 30, "--steps", 3, "--size", 32)
    told = call("neurons", runs[0], *words, "--out", tmp_path / "n.png")
    assert "wrote" in told
    with_crops = pixels(tmp_path / "n.png").shape
    call("neurons", "random:conv4", "--count", 2, "--steps", 2, "--size", 32, "--out", tmp_path / "m.png")
    assert pixels(tmp_path / "m.png").shape != with_crops


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["filters", "nowhere"], "no file nowhere"),
        (["stylize", "chelsea", "coffee", "--encoder", "random:conv4", "--layers", "conv9"], "no layer 'conv9'"),
        (["stylize", "chelsea", "nosuch", "--encoder", "random"], "nosuch"),
        (["stylize", "chelsea", "coffee", "--encoder", "random", "--size", "40"], "less than 32 px"),
        (["neurons", "random:conv4", "--units", "a"], "--units"),
        (["neurons", "random:conv4", "--units", "999"], "no unit 999"),
    ],
)
def test_mistakes_are_told_before_any_work(words, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said):
        CliRunner().invoke(cli.app, words, catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []
