"""Checkpoints from elsewhere: their keys are matched whole, or refused with a count and names."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import resnet18

from augstudy.core.errors import UserError
from augstudy.learn.adopted import Trunk, adopt, read_state
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.backbones.resnet import ResNet

ALL = ("conv1", "layer1", "layer2", "layer3", "layer4")


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(3)
    model = resnet18().eval()
    with torch.no_grad():
        for name, buffer in model.named_buffers():  # statistics as of a trained network
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
    return model


@pytest.fixture(scope="module")
def shape():
    return ResNet().encoder()


def prefixed(prefix, state):
    return {prefix + key: value for key, value in state.items()}


FORMS = {
    "torchvision": lambda m: m.state_dict(),
    "timm": lambda m: {k: v for k, v in m.state_dict().items() if not k.startswith("fc.")},
    "moco": lambda m: {
        "state_dict": {
            **prefixed("module.encoder_k.", {k: torch.zeros_like(v) for k, v in m.state_dict().items()}),
            **prefixed("module.encoder_q.", m.state_dict()),
            "module.queue": torch.zeros(3, 8),
        },
        "epoch": 200,
    },
    "lightning": lambda m: {
        "state_dict": {**prefixed("model.", m.state_dict()), "head.weight": torch.zeros(3)},
        "pytorch-lightning_version": "2.5.0",
        "epoch": 3,
    },
    "lightly": lambda m: {
        "state_dict": {
            **prefixed("backbone.", nn.Sequential(*list(m.children())[:-1]).state_dict()),
            **prefixed("backbone_momentum.", nn.Sequential(*list(m.children())[:-1]).state_dict()),
            "projection_head.layers.0.weight": torch.zeros(4, 512),
        }
    },
    "ddp": lambda m: prefixed("module.", m.state_dict()),
}


@pytest.mark.parametrize("form", FORMS)
def test_weights_of_every_form_give_the_same_features_as_the_model_itself(form, theirs, tmp_path):
    path = tmp_path / "checkpoint.pt"
    torch.save(FORMS[form](theirs), path)
    encoder = ResNet().encoder()
    match = adopt(encoder, read_state(path), ALL, path)
    assert match.found == 120  # 20 convolutions, and 20 batch norms of five
    assert "matched all 120 weights" in match.sentence()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        y = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(x))))
        y = theirs.layer4(theirs.layer3(theirs.layer2(theirs.layer1(y))))
        torch.testing.assert_close(encoder.eval()(x), y)


def test_safetensors_are_read_too(theirs, shape, tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(prefixed("backbone.", theirs.state_dict()), path)
    assert adopt(shape, read_state(path), ALL, path).prefix == "backbone."


def test_the_query_network_goes_before_its_momentum_copy(theirs, shape, tmp_path):
    path = tmp_path / "moco.pt"
    torch.save(FORMS["moco"](theirs), path)
    assert adopt(shape, read_state(path), ALL, path).prefix == "module.encoder_q."
    assert shape.state_dict()["blocks.conv1.conv1.weight"].abs().sum() > 0


def test_anything_less_than_a_full_match_is_counted_and_named_and_nothing_is_taken(theirs, tmp_path):
    path = tmp_path / "cut.pt"
    state = {k: v for k, v in theirs.state_dict().items() if not k.startswith("layer3.1.conv")}
    torch.save({"state_dict": prefixed("encoder.", state)}, path)
    encoder = ResNet().encoder()
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    with pytest.raises(UserError) as caught:
        adopt(encoder, read_state(path), ALL, path)
    assert "lacks 2 of the 120 weights" in caught.value.what
    assert "encoder.layer3.1.conv1.weight, encoder.layer3.1.conv2.weight" in caught.value.what
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())
    assert adopt(encoder, read_state(path), ALL[:3], path).found == 60  # what is probed is there


def test_another_network_or_shape_is_no_match(theirs, tmp_path):
    path = tmp_path / "resnet.pt"
    torch.save(theirs.state_dict(), path)
    with pytest.raises(UserError, match="--backbone"):
        adopt(Conv4().encoder(), read_state(path), ("conv1",), path)
    with pytest.raises(UserError, match=r"conv1.weight \(another shape\)"):
        adopt(ResNet(stem="cifar").encoder(), read_state(path), ("conv1",), path)


def test_a_layer_that_the_encoder_has_not_is_named(shape, tmp_path):
    with pytest.raises(UserError, match="no layer 'layer9'"):
        adopt(shape, {}, ("layer9",), tmp_path)


def test_files_that_hold_more_than_weights_are_not_run(tmp_path):
    torch.save({"model": nn.Linear(2, 2)}, tmp_path / "whole.pt")
    (tmp_path / "torn.pt").write_bytes(b"PK\x03\x04 torn")
    torch.save({"epoch": 3}, tmp_path / "none.pt")
    for name, words in (("whole", "more than weights"), ("torn", "damaged"), ("none", "no weights")):
        with pytest.raises(UserError, match=words):
            read_state(tmp_path / f"{name}.pt")
    with pytest.raises(UserError, match="no file"):
        read_state(tmp_path / "nowhere.pt")


def test_a_trunk_gives_the_probed_layers_and_scales_pixels_as_asked():
    torch.manual_seed(0)
    encoder = Conv4(width=0.125).encoder().eval()
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        trunk = Trunk(encoder, ("conv3", "conv2"))
        assert list(trunk.layers(x)) == trunk.names == ["conv2", "conv3"]
        assert torch.equal(trunk(x), encoder.layers(x)["conv3"])
        white = Trunk(encoder, ("conv1",), imagenet=True).layers(torch.ones_like(x))["conv1"]
        scaled = (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
        torch.testing.assert_close(white, encoder.layers(scaled[:, None, None].expand(2, 3, 32, 32))["conv1"])
