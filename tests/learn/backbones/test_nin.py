"""Network in network has RotNet's convolutions and poolings."""

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, max_pool2d

from augstudy.learn.backbones.nin import NIN


@pytest.mark.parametrize("blocks", [3, 4, 5])
def test_convolutions_are_those_published(blocks):
    with torch.device("meta"):
        encoder = NIN(blocks=blocks).encoder()
    convs = [(m.kernel_size[0], m.out_channels) for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    first, second = [(5, 192), (1, 160), (1, 96)], [(5, 192), (1, 192), (1, 192)]
    assert convs == first + second + [(3, 192), (1, 192), (1, 192)] * (blocks - 2)
    assert encoder.names == [f"block{i + 1}" for i in range(blocks)]


def test_a_layer_is_read_behind_its_pooling():
    """Block 1 pools by the maximum and block 2 by the mean, zeros at the border included, 3x3 every 2 pixels."""
    encoder = NIN(width=0.1).encoder().eval()
    layers = encoder.layers(torch.rand(2, 3, 32, 32))
    first = encoder.blocks["block1"][:3](torch.rand(2, 3, 32, 32))
    torch.testing.assert_close(encoder.blocks["block1"][3](first), max_pool2d(first, 3, 2, 1))
    second = encoder.blocks["block2"][:3](layers["block1"])
    torch.testing.assert_close(layers["block2"], avg_pool2d(second, 3, 2, 1))


def test_embed_averages_over_the_map():
    encoder = NIN(width=0.1).encoder().eval()
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(encoder.embed(x), encoder(x).mean((2, 3)))
