"""A stranger's study, checkpoint, encoder or cache runs none of their code, reads no secret and writes nowhere else."""

import errno
import hashlib
import json
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from augstudy.core.arrays import open_arrays, writing_arrays
from augstudy.core.bundle import read_arrays, read_key
from augstudy.core.errors import Unobtainable, UserError
from augstudy.core.store import RunFolder
from augstudy.data import catalogue
from augstudy.learn.adopted import read_state
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.checkpoint import load_checkpoint, load_encoder, save_encoder
from augstudy.show.figures.base import read_pixels
from augstudy.study.compose import compose

HEAD = "defaults: [/study, /scale: smoke, _self_]\n"
SECRET = "hunter2-of-the-environment"


class Bomb:
    """Unpickled, it makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture
def bomb(tmp_path):
    """An object that must not go off."""
    made = Bomb(tmp_path / "went off")
    yield made
    assert not (tmp_path / "went off").exists()


@pytest.fixture(autouse=True)
def secret(monkeypatch):
    monkeypatch.setenv("AUGSTUDY_TOKEN", SECRET)


def refused(call, *args):
    with pytest.raises(UserError) as caught:
        call(*args)
    assert SECRET not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "title: ${oc.env:AUGSTUDY_TOKEN}",
        "title: 'a ${oc.env:AUGSTUDY_TOKEN} b'",
        "rows: [{label: '${oc.env:AUGSTUDY_TOKEN}', method: random}]",
        "image: {name: '${oc.env:AUGSTUDY_TOKEN}'}",
        "question: ${title}\ntitle: oc.env\nclaims: [{say: '${${title}:AUGSTUDY_TOKEN}'}]",
        "title: '${oc.decode:${oc.env:AUGSTUDY_TOKEN}}'",
        "title: '${hydra:runtime.cwd}'",
        'title: "a\\e]0;b"',
    ],
)
def test_a_study_reads_no_environment_and_steers_no_terminal(tmp_path, text):
    path = tmp_path / "toy.yaml"
    path.write_text(f"{HEAD}{text}\n")
    assert "toy.yaml" in refused(compose, path)


def test_nor_does_a_file_that_it_names_nor_an_override(tmp_path):
    path = tmp_path / "toy.yaml"
    (tmp_path / "more.yaml").write_text("title: ${oc.env:AUGSTUDY_TOKEN}\n")
    path.write_text("defaults: [/study, /scale: smoke, more, _self_]\n")
    assert "names a resolver" in refused(compose, path)
    path.write_text(HEAD)
    for override in ("title=${oc.env:AUGSTUDY_TOKEN}", "view.size=${oc.env:AUGSTUDY_TOKEN}"):
        assert "names a resolver" in refused(compose, path, [override])


def test_what_a_study_says_elsewhere_may_be_named(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text(f"{HEAD}title: one\nquestion: is it ${{title}}?\n")
    assert compose(path).question == "is it one?"


def test_dollars_and_braces_in_a_title_are_text_or_told(tmp_path):
    path = tmp_path / "toy.yaml"
    for written, read in (("${scale}: y", "smoke: y"), ("\\${x}: {y}", "${x}: {y}"), ("{x}: $5", "{x}: $5")):
        path.write_text(f"{HEAD}title: '{written}'\n")
        assert compose(path).title == read
    for written in ("${x}: y", "${x", "${title}"):
        path.write_text(f"{HEAD}title: '{written}'\n")
        said = refused(compose, path)
        assert said.startswith(f"{path}: title: ")
        assert r"\${" in said


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system ['x']", "!!python/name:os.system", "!!python/module:os"]
)
def test_a_study_names_no_python(tmp_path, tag):
    path = tmp_path / "toy.yaml"
    path.write_text(f"{HEAD}title: !!python/{tag}\n")
    refused(compose, path)
    path.write_text(f"{HEAD}rows: [{{label: a, method: {{name: random, _target_: os.system}}}}]\n")
    assert compose(path).rows[0]["method"]["_target_"] == "os.system"  # a word like any other, refused by its row


@pytest.mark.parametrize(("name", "text"), [("...yaml", ""), (".yaml", ""), ("toy.yaml", "scale: ../../elsewhere\n")])
def test_results_lie_in_the_results_folder(tmp_path, name, text):
    (tmp_path / name).write_text(HEAD + text)
    refused(compose, tmp_path / name)


@pytest.mark.parametrize("read", [load_checkpoint, read_state])
@pytest.mark.parametrize("way", ["torch", "pickle"])
def test_a_checkpoint_runs_no_code(tmp_path, bomb, read, way):
    path = tmp_path / "checkpoint.pt"
    if way == "torch":
        torch.save({"epoch": 1, "state_dict": bomb}, path)
    else:
        path.write_bytes(pickle.dumps({"epoch": 1, "state_dict": bomb}))
    assert str(path) in refused(read, path)


def test_an_encoder_runs_no_code_and_names_only_our_networks(tmp_path, bomb):
    folder = RunFolder(tmp_path / "run")
    save_encoder(folder, Conv4(width=0.1).encoder(), "conv4", {"width": 0.1})
    card = json.loads(folder.card.read_text())
    for backbone in ("os", "base", "../adopted", "augstudy.cli"):
        folder.card.write_text(json.dumps(card | {"backbone": backbone}))
        assert "unknown backbone" in refused(load_encoder, folder)
    for settings in ({"width": "${oc.env:AUGSTUDY_TOKEN}"}, {"width": 0.1, "_target_": "os.system"}):
        folder.card.write_text(json.dumps(card | {"settings": settings}))
        refused(load_encoder, folder)
    folder.card.write_text(json.dumps(card))
    folder.encoder.write_bytes(pickle.dumps(bomb))
    assert str(folder.encoder) in refused(load_encoder, folder)


def test_arrays_of_a_run_run_no_code(tmp_path, bomb):
    path = tmp_path / "filters.npy"
    np.save(path, np.array([bomb], dtype=object), allow_pickle=True)
    refused(read_pixels, path)
    np.savez(tmp_path / "gallery.npz", key=np.array("k"), a=np.array([bomb], dtype=object))
    refused(read_arrays, tmp_path / "gallery.npz")
    np.savez(tmp_path / "gallery.npz", key=np.array([bomb], dtype=object))
    assert read_key(tmp_path / "gallery.npz") is None
    with writing_arrays(tmp_path / "features", {"a": (2, 3)}, {"of": "b"}) as arrays:
        arrays["a"][:] = 1
    card = tmp_path / "features" / "card.json"
    np.save(tmp_path / "features" / "a.npy", np.array([bomb], dtype=object), allow_pickle=True)
    assert open_arrays(card.parent, {"of": "b"}) is None


def full(path):
    raise OSError(errno.ENOSPC, "No space left on device", str(path))


def test_a_download_is_checked_and_overwrites_nothing(tmp_path, monkeypatch):
    content = b"the picture"
    image = replace(catalogue.IMAGES[0], sha256=hashlib.sha256(content).hexdigest(), url="https://example.org/a.jpg")
    monkeypatch.setenv("AUGSTUDY_CACHE", str(tmp_path))
    target = tmp_path / "images" / image.file
    monkeypatch.setattr(catalogue, "download", lambda url: b"another picture")
    with pytest.raises(Unobtainable, match="sha256"):
        catalogue.fetch_image(image)
    assert not target.exists()
    monkeypatch.setattr(catalogue, "download", lambda url: content)
    assert catalogue.fetch_image(image).read_bytes() == content
    target.unlink()
    monkeypatch.setattr(catalogue, "replacing", full)
    with pytest.raises(OSError, match="No space left") as caught:  # and not Unobtainable, which leads to a fallback
        catalogue.fetch_image(image)
    assert not isinstance(caught.value, UserError)
    target.write_bytes(b"the user's own")
    with pytest.raises(UserError, match="is not image"):
        catalogue.fetch_image(image)
    assert target.read_bytes() == b"the user's own"
