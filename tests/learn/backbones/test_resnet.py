"""An exported ResNet is torchvision's own."""

import json
import math

import pytest
import torch
import torchvision
from safetensors.torch import load_file
from torch import nn

from augstudy.core.store import RunFolder
from augstudy.learn.backbones.resnet import ResNet
from augstudy.learn.checkpoint import load_encoder, save_encoder


def exported(folder, backbone):
    """An encoder with batch norm statistics of its own, and its file."""
    torch.manual_seed(1)
    encoder = backbone.encoder()
    encoder(torch.rand(2, 3, 64, 64))
    settings = {"depth": backbone.depth, "stem": backbone.stem, "width": backbone.width}
    save_encoder(RunFolder(folder), encoder, "resnet", settings)
    return encoder.eval(), RunFolder(folder).encoder


def layer4(model, x):
    """What a ResNet of torchvision gives before its average pooling."""
    model.avgpool, model.fc = nn.Identity(), nn.Identity()
    return model.eval()(x)


@pytest.mark.parametrize("depth", [18, 50])
def test_an_exported_file_is_a_model_of_torchvision_without_its_last_layer(tmp_path, depth):
    encoder, path = exported(tmp_path, ResNet(depth=depth))
    twin = json.loads(RunFolder(tmp_path).card.read_text())["torchvision"]
    assert twin == f"resnet{depth}"
    with torch.device("meta"):
        model = torchvision.models.get_model(twin, weights=None)
    missing, unexpected = model.load_state_dict(load_file(path), strict=False, assign=True)
    assert missing == ["fc.weight", "fc.bias"]
    assert unexpected == []
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        assert torch.equal(layer4(model, x), encoder(x).flatten(1))


def test_with_the_cifar_stem_it_is_torchvisions_with_another_first_convolution_and_no_pooling(tmp_path):
    encoder, path = exported(tmp_path, ResNet(stem="cifar"))
    assert json.loads(RunFolder(tmp_path).card.read_text())["torchvision"] is None
    model = torchvision.models.resnet18(weights=None)
    model.conv1, model.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    model.fc = nn.Identity()
    model.load_state_dict(load_file(path))  # strict: no other weights are missing or left over
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        assert torch.equal(layer4(model, x), encoder(x).flatten(1))


def test_of_another_width_it_is_no_model_of_torchvision(tmp_path):
    encoder, path = exported(tmp_path, ResNet(width=0.125))
    assert encoder.torchvision() is None
    assert "layer4.1.conv2.weight" in load_file(path)
    assert load_encoder(path).names == ["conv1", "layer1", "layer2", "layer3", "layer4"]


def test_weights_start_as_torchvisions_do():
    """Normal, with the variance that keeps gradients their size; batch norms at 1 and 0."""
    torch.manual_seed(0)
    encoder = ResNet(width=0.5).encoder()
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 10_000:
            std = math.sqrt(2 / (module.out_channels * module.kernel_size[0] ** 2))
            assert module.weight.std().item() == pytest.approx(std, rel=0.05)
            assert module.bias is None
        if isinstance(module, nn.BatchNorm2d):
            assert torch.equal(module.weight, torch.ones_like(module.weight))
            assert torch.equal(module.bias, torch.zeros_like(module.bias))
