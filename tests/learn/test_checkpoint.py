"""What a training leaves behind can be trusted or says that it cannot."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from augstudy.core.errors import UserError
from augstudy.core.store import RunFolder
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.checkpoint import load_checkpoint, load_encoder, save_checkpoint, save_encoder


@pytest.fixture
def saved(tmp_path):
    folder = RunFolder(tmp_path / "run")
    save_encoder(folder, Conv4(width=0.1).encoder(), "conv4", {"width": 0.1})
    return folder


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


def test_other_weights_than_the_card_says_are_refused(saved):
    weights = load_file(saved.encoder)
    weights["blocks.conv1.0.weight"][0, 0, 0, 0] += 1e-3
    save_file(weights, saved.encoder)
    with pytest.raises(UserError, match="other weights than its card says") as caught:
        load_encoder(saved)
    assert str(saved.encoder) in caught.value.what


@pytest.mark.parametrize("content", ["[]", '{"backbone": "conv4"}', "3", '{"backbone": "conv4", "settings": null}'])
def test_a_card_that_is_no_card_is_refused(saved, content):
    saved.card.write_text(content)
    with pytest.raises(UserError):
        load_encoder(saved)


def test_missing_cut_or_unfitting_files_are_refused(saved):
    card = json.loads(saved.card.read_text())
    saved.card.write_text(json.dumps(card | {"settings": {"width": 0.2}}))
    with pytest.raises(UserError, match="cannot be read"):
        load_encoder(saved)
    saved.card.write_text(json.dumps(card))
    saved.encoder.write_bytes(saved.encoder.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be read") as caught:
        load_encoder(saved)
    assert len(str(caught.value).splitlines()) == 2
    saved.encoder.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        load_encoder(saved)
