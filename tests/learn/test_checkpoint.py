"""What a training leaves behind can be trusted or says that it cannot."""

import json
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from augstudy.core import registry
from augstudy.core.errors import UserError
from augstudy.core.store import RunFolder
from augstudy.learn.backbones.base import fingerprint
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.checkpoint import load_checkpoint, load_encoder, read_card, save_checkpoint, save_encoder


@pytest.fixture
def saved(tmp_path):
    folder = RunFolder(tmp_path / "run")
    save_encoder(folder, Conv4(width=0.1).encoder(), "conv4", {"width": 0.1}, size=16)
    return folder


NETWORKS = [
    *((name, {"width": 0.125}) for name in registry.names("learn.backbones")),
    ("alexnet", {"width": 0.125, "sobel": True}),
    ("bigan", {"width": 0.125, "variant": "smallnet"}),
    ("resnet", {"width": 0.125, "depth": 50, "stem": "cifar"}),
]


@pytest.mark.parametrize(("name", "settings"), NETWORKS, ids=lambda value: str(value))
def test_every_encoder_comes_back_and_gives_the_same_features(tmp_path, name, settings):
    encoder = registry.find("learn.backbones", name)(**settings).encoder().eval()
    folder = RunFolder(tmp_path / "run")
    save_encoder(folder, encoder, name, settings, size=64)
    x = torch.rand(2, 3, 64, 64)
    assert torch.equal(load_encoder(folder)(x), encoder(x))


def test_no_checkpoint_is_none(tmp_path):
    assert load_checkpoint(tmp_path / "checkpoint.pt") is None


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    state = {"epoch": 3, "history": [{"loss": 0.1}], "weights": {"w": torch.randn(4)}}
    save_checkpoint(tmp_path / "checkpoint.pt", state)
    again = load_checkpoint(tmp_path / "checkpoint.pt")
    assert again["epoch"] == 3
    assert again["history"] == state["history"]
    assert torch.equal(again["weights"]["w"], state["weights"]["w"])
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("keep", [0, 10, 400])
def test_a_damaged_checkpoint_is_named_with_what_to_do(tmp_path, keep):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"w": torch.randn(200)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError) as caught:
        load_checkpoint(path)
    assert str(path) in caught.value.what
    assert "Delete this file" in caught.value.fix
    assert len(str(caught.value).splitlines()) == 2


def test_the_card_tells_how_to_build_the_network(saved):
    card = json.loads(saved.card.read_text())
    assert card["backbone"] == "conv4"
    assert card["settings"] == {"width": 0.1}
    assert card["layers"] == ["conv1", "conv2", "conv3", "conv4"]
    assert card["input"] == {"channels": "RGB", "range": [-1, 1], "size": 16}
    assert card["torchvision"] is None
    assert card["fingerprint"] == fingerprint(load_encoder(saved))
    assert card["augstudy"] == version("augstudy")


@pytest.mark.parametrize("given", ["the folder", "its path", "the weights", "the card", "a copy", "text"])
def test_an_encoder_is_loaded_by_its_folder_or_by_path(saved, tmp_path, given):
    copy = tmp_path / "elsewhere" / "mine.safetensors"
    copy.parent.mkdir()
    shutil.copy(saved.encoder, copy)
    shutil.copy(saved.card, copy.with_suffix(".json"))
    where = {
        "the folder": saved,
        "its path": saved.path,
        "the weights": saved.encoder,
        "the card": saved.card,
        "a copy": copy,
        "text": str(copy),
    }[given]
    encoder = load_encoder(where)
    assert fingerprint(encoder) == json.loads(saved.card.read_text())["fingerprint"]
    assert encoder.names == read_card(where)["layers"]
    assert not encoder.training


@pytest.mark.parametrize("gone", ["encoder.safetensors", "encoder.json"])
@pytest.mark.parametrize("read", [load_encoder, read_card])
def test_a_file_that_is_not_there_is_named_with_what_to_do(saved, gone, read):
    (saved.path / gone).unlink()
    with pytest.raises(UserError) as caught:
        read(saved.encoder)
    assert caught.value.what == f"there is no file {saved.path / gone}"
    assert "encoder.safetensors and encoder.json" in caught.value.fix
    assert len(str(caught.value).splitlines()) == 2


def test_loading_draws_no_random_numbers_and_gives_weights_that_can_be_trained(saved):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    encoder = load_encoder(saved)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(p.requires_grad for p in encoder.parameters())


def test_a_path_to_nothing_is_told(tmp_path):
    for where in (tmp_path, tmp_path / "nowhere", Path("no.safetensors")):
        with pytest.raises(UserError, match="there is no file"):
            load_encoder(where)


def test_other_weights_than_the_card_says_are_refused(saved):
    weights = load_file(saved.encoder)
    weights["blocks.conv1.0.weight"][0, 0, 0, 0] += 1e-3
    save_file(weights, saved.encoder)
    with pytest.raises(UserError, match="other weights than its card says") as caught:
        load_encoder(saved)
    assert str(saved.encoder) in caught.value.what


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        '{"backbone": "conv4"}',
        "3",
        '{"backbone": "conv4", "settings": null}',
        '{"backbone": "conv4", "settings": []}',
        '{"backbone": "conv44", "settings": {}}',
        '{"backbone": "conv4", "settings": {"width": 0.1, "depth": 3}}',
        "{",
    ],
)
def test_a_card_that_is_no_card_is_refused(saved, content):
    saved.card.write_text(content)
    with pytest.raises(UserError) as caught:
        load_encoder(saved)
    assert len(str(caught.value).splitlines()) == 2


def test_cut_or_unfitting_files_are_refused(saved):
    card = json.loads(saved.card.read_text())
    saved.card.write_text(json.dumps(card | {"settings": {"width": 0.2}}))
    with pytest.raises(UserError, match="cannot be read"):
        load_encoder(saved)
    saved.card.write_text(json.dumps(card))
    saved.encoder.write_bytes(saved.encoder.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be read") as caught:
        load_encoder(saved)
    assert len(str(caught.value).splitlines()) == 2
