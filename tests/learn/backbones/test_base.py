"""Maps and channels that the published tables refer to, and what all backbones are made of."""

import math

import pytest
import torch
from torch import nn

from augstudy.core.errors import UserError
from augstudy.learn.backbones.alexnet import AlexNet
from augstudy.learn.backbones.base import conv_block, signed
from augstudy.learn.backbones.bigan import BiGANEncoder
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.backbones.conv5 import Conv5
from augstudy.learn.backbones.nin import NIN
from augstudy.learn.backbones.resnet import ResNet

SMALL_ALEXNET = [64, 192, 384, 256, 256]
RESNET18, RESNET50 = [64, 64, 128, 256, 512], [64, 256, 512, 1024, 2048]


@pytest.mark.parametrize(
    ("backbone", "size", "maps", "channels"),
    [
        (AlexNet(), 224, [55, 27, 13, 13, 13], [96, 256, 384, 384, 256]),
        (AlexNet(), 112, [27, 13, 6, 6, 6], [96, 256, 384, 384, 256]),
        (AlexNet(variant="small"), 224, [55, 27, 13, 13, 13], SMALL_ALEXNET),
        (AlexNet(variant="small"), 112, [27, 13, 6, 6, 6], SMALL_ALEXNET),
        (Conv5(), 32, [16, 8, 4, 4, 4], SMALL_ALEXNET),
        (Conv5(), 64, [32, 16, 8, 8, 8], SMALL_ALEXNET),
        (Conv4(), 32, [16, 8, 4, 2], [64, 96, 128, 128]),
        (Conv4(), 64, [32, 16, 8, 4], [64, 96, 128, 128]),
        (BiGANEncoder(), 112, [28, 14, 7, 7, 7], [96, 256, 384, 384, 256]),
        (BiGANEncoder(), 64, [16, 8, 4, 4, 4], [96, 256, 384, 384, 256]),
        (BiGANEncoder(), 32, [8, 4, 2, 2, 2], [96, 256, 384, 384, 256]),
        (BiGANEncoder(variant="smallnet"), 112, [56, 28, 14, 7], [64, 128, 192, 256]),
        (BiGANEncoder(variant="smallnet"), 64, [32, 16, 8, 4], [64, 128, 192, 256]),
        (BiGANEncoder(variant="smallnet"), 32, [16, 8, 4, 2], [64, 128, 192, 256]),
        (NIN(), 32, [16, 8, 8, 8], [96, 192, 192, 192]),
        (NIN(blocks=3), 32, [16, 8, 8], [96, 192, 192]),
        (ResNet(), 224, [112, 56, 28, 14, 7], RESNET18),
        (ResNet(stem="cifar"), 32, [32, 32, 16, 8, 4], RESNET18),
        (ResNet(depth=50), 224, [112, 56, 28, 14, 7], RESNET50),
        (ResNet(depth=50, stem="cifar"), 32, [32, 32, 16, 8, 4], RESNET50),
    ],
    ids=str,
)
def test_maps_and_channels_of_each_layer(backbone, size, maps, channels):
    with torch.device("meta"):
        outputs = backbone.encoder().layers(torch.empty(2, 3, size, size))
    assert [y.shape[1] for y in outputs.values()] == channels
    assert [y.shape[2] for y in outputs.values()] == [y.shape[3] for y in outputs.values()] == maps


@pytest.mark.parametrize(
    ("part", "settings", "word"),
    [
        (AlexNet, {"variant": "smal"}, "'small'"),
        (BiGANEncoder, {"variant": "small"}, "'smallnet'"),
        (NIN, {"blocks": 6}, r"\[3, 5\]"),
        (ResNet, {"depth": 34}, "18, 50"),
        (ResNet, {"stem": "cifar10"}, "'cifar'"),
    ],
)
def test_a_setting_that_there_is_not_is_told_with_the_known_ones(part, settings, word):
    with pytest.raises(UserError, match=word):
        part(**settings)


@pytest.mark.parametrize(("groups", "slope"), [(1, 0.0), (2, 0.2)])
def test_activations_keep_their_size_through_he_weights(groups, slope):
    """The second moment of what a layer is given, and of what it gives on, is the same (He et al., section 2.2)."""
    torch.manual_seed(0)
    conv, activation = conv_block(64, 256, 3, groups=groups, norm=False, slope=slope)
    assert conv.weight.std().item() == pytest.approx(math.sqrt(2 / (1 + slope**2) / (64 // groups * 9)), rel=0.02)
    y = torch.randn(4, 64, 20, 20)
    given = activation(conv(y))[..., 1:-1, 1:-1]
    assert given.square().mean().item() == pytest.approx(1, rel=0.05)


def test_a_block_without_norm_or_with_a_leak_is_what_it_says():
    assert [type(m) for m in conv_block(3, 4, 3)] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert [type(m) for m in conv_block(3, 4, 3, norm=False, slope=0.2)] == [nn.Conv2d, nn.LeakyReLU]
    assert conv_block(3, 4, 3, norm=False, slope=0.2)[1](torch.tensor([-1.0])).item() == pytest.approx(-0.2)


def test_pixels_are_scaled_to_minus_one_to_one_from_either_type():
    levels = torch.tensor([0, 51, 255], dtype=torch.uint8)
    torch.testing.assert_close(signed(levels), torch.tensor([-1.0, -0.6, 1.0]))
    torch.testing.assert_close(signed(levels / 255), signed(levels))
