"""The two encoders have the weights of the released ones."""

import pytest
import torch
from torch import nn

from augstudy.learn.backbones.bigan import BiGANEncoder


def shapes(variant):
    with torch.device("meta"):
        encoder = BiGANEncoder(variant=variant).encoder()
    return [tuple(m.weight.shape) for m in encoder.modules() if isinstance(m, nn.Conv2d)]


def test_alexnet_has_two_groups_where_the_released_one_has():
    assert shapes("alexnet") == [(96, 3, 11, 11), (256, 48, 5, 5), (384, 256, 3, 3), (384, 192, 3, 3), (256, 192, 3, 3)]


def test_smallnet_is_strided_and_pointwise_in_turn():
    strided = [(64, 3, 5, 5), (128, 64, 5, 5), (192, 128, 5, 5), (256, 192, 5, 5)]
    assert shapes("smallnet")[::2] == strided
    assert shapes("smallnet")[1::2] == [(n, n, 1, 1) for n, *_ in strided]


@pytest.mark.parametrize("variant", ["alexnet", "smallnet"])
def test_the_first_convolution_alone_has_no_norm_and_none_has_a_bias(variant):
    encoder = BiGANEncoder(variant=variant, width=0.125).encoder()
    convs = [m for m in encoder.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [norm.num_features for norm in norms] == [conv.out_channels for conv in convs[1:]]
    assert all(conv.bias is None for conv in convs)


@pytest.mark.parametrize(("variant", "size", "side"), [("alexnet", 112, 7), ("smallnet", 64, 4)])
def test_at_the_published_size_embed_is_the_last_map_itself(variant, size, side):
    encoder = BiGANEncoder(variant=variant, width=0.125).encoder().eval()
    x = torch.rand(1, 3, size, size)
    assert encoder(x).shape[2:] == (side, side)
    torch.testing.assert_close(encoder.embed(x), encoder(x).flatten(1))


@pytest.mark.parametrize("width", [0.01, 0.07, 0.35])
def test_groups_divide_the_channels_at_any_width(width):
    assert BiGANEncoder(width=width).encoder().width() % 2 == 0
