"""Maps and channels that the published tables refer to."""

import pytest
import torch

from augstudy.learn.backbones.alexnet import AlexNet
from augstudy.learn.backbones.base import signed
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.backbones.conv5 import Conv5


@pytest.mark.parametrize(
    ("backbone", "size", "maps", "channels"),
    [
        (AlexNet(), 224, [55, 27, 13, 13, 13], [96, 256, 384, 384, 256]),
        (Conv5(), 32, [16, 8, 4, 4, 4], [64, 192, 384, 256, 256]),
        (Conv4(), 32, [16, 8, 4, 2], [64, 96, 128, 128]),
    ],
)
def test_maps_and_channels_of_each_layer(backbone, size, maps, channels):
    with torch.device("meta"):
        outputs = backbone.encoder().layers(torch.empty(1, 3, size, size))
    assert [y.shape[1] for y in outputs.values()] == channels
    assert [y.shape[2] for y in outputs.values()] == [y.shape[3] for y in outputs.values()] == maps


def test_pixels_are_scaled_to_minus_one_to_one_from_either_type():
    levels = torch.tensor([0, 51, 255], dtype=torch.uint8)
    torch.testing.assert_close(signed(levels), torch.tensor([-1.0, -0.6, 1.0]))
    torch.testing.assert_close(signed(levels / 255), signed(levels))
