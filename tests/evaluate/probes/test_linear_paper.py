"""The paper protocol: its dimensions, its absorbed batch norms, its ten crops."""

import pytest
import torch
from torch import nn

from augstudy.core.errors import UserError
from augstudy.data.datasets.base import Labelled, Stored
from augstudy.evaluate.augmented import ten_crops
from augstudy.evaluate.features import Extraction
from augstudy.evaluate.probes.base import Subject
from augstudy.evaluate.probes.linear_paper import LinearPaper, absorbed, max_pooled
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.backbones.resnet import ResNet

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("channels", "side", "dims"),
    [(96, 55, 9600), (256, 27, 9216), (384, 13, 9600), (256, 13, 9216), (64, 16, 9216), (128, 2, 512), (2048, 7, 8192)],
)
def test_layers_are_pooled_to_the_papers_sizes(channels, side, dims):
    assert max_pooled(torch.zeros(1, channels, side, side)).shape == (1, dims)


@pytest.mark.parametrize(
    "backbone", [Conv4(width=0.25), ResNet(width=0.125, stem="cifar"), ResNet(depth=50, width=0.0625)]
)
def test_absorbed_batch_norms_change_no_output(backbone):
    torch.manual_seed(0)
    encoder = backbone.encoder()
    encoder.train()(torch.randn(8, 3, 32, 32))  # statistics of some images
    encoder.eval()
    plain = absorbed(encoder)
    x = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        for name, y in encoder.layers(x).items():
            torch.testing.assert_close(plain.layers(x)[name], y, rtol=1e-3, atol=1e-4)
    assert not [m for m in plain.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]


def test_ten_crops_are_corners_and_centre_of_the_enlarged_image_and_their_mirrors():
    pixels = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
    crops = ten_crops(pixels)
    assert len(crops) == 10
    assert {tuple(c.shape) for c in crops} == {(2, 3, 32, 32)}
    assert all(any(torch.equal(c.flip(-1), other) for other in crops[5:]) for c in crops[:4])
    assert {c.dtype for c in crops} == {torch.uint8}


def test_it_learns_what_can_be_told_and_settles(split):
    """Three brightnesses in 36 epochs of the published schedule."""
    data = Labelled("toy", split, Stored(split.pixels[:30], split.labels[:30]), ("a", "b", "c"), "", "0")
    torch.manual_seed(0)
    subject = Subject(Conv4(width=0.125).encoder(), data, Extraction(calibrate=60), CPU)
    found = LinearPaper(batch_size=20)(subject)
    assert [m.layer for m in found] == ["conv1", "conv2", "conv3", "conv4"]
    assert found[0].value > 90
    assert all(m.low <= m.value <= m.high for m in found)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": 1}, {"lr": -1}, {"momentum": 1}, {"weight_decay": -1}])
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        LinearPaper(**wrong)
