"""Encoders by name: runs, files and untrained controls."""

from dataclasses import asdict

import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.core.store import RunFolder, write_yaml
from augstudy.evaluate.visuals.encoders import named_encoders, untrained
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.checkpoint import save_encoder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    part = Conv4(width=0.125)
    save_encoder(folder, untrained(part, seed=3), "conv4", asdict(part))
    write_yaml(folder.provenance, {"label": "MoCo, 1 image"})
    return folder


def test_a_run_is_called_by_its_row_and_its_file_too(run):
    names = [name for name, _ in named_encoders([str(run.path), str(run.encoder), "random:nin"])]
    assert names == ["MoCo, 1 image (1)", "MoCo, 1 image (2)", "random:nin"]


def test_random_has_the_architecture_of_the_first_trained_encoder_and_other_weights(run):
    (_, control), (_, trained) = named_encoders(["random", str(run.path)])
    mine, other = control.state_dict(), trained.state_dict()
    assert [(k, v.shape) for k, v in mine.items()] == [(k, v.shape) for k, v in other.items()]
    assert not torch.equal(mine["blocks.conv1.0.weight"], other["blocks.conv1.0.weight"])
    assert not control.training


def test_random_alone_is_the_small_network_of_the_laptop():
    (_, control), (_, again) = named_encoders(["random", "random"])
    assert control.names == ["conv1", "conv2", "conv3", "conv4"]
    assert torch.equal(control.state_dict()["blocks.conv1.0.weight"], again.state_dict()["blocks.conv1.0.weight"])


@pytest.mark.parametrize(
    ("names", "words"), [([], "no encoder"), (["random:conv9"], "conv9"), (["nowhere"], "no file nowhere")]
)
def test_what_is_not_there_is_said(names, words):
    with pytest.raises(UserError, match=words):
        named_encoders(names)
