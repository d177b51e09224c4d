"""Laws of the jigsaw; what every op must obey is in tests/contracts/test_ops.py."""

import math

import numpy as np
import pytest
import torch

from augstudy.augment.tiles import Jigsaw


def numbered(count, height, width):
    """Pictures in which no two pixels are alike: (count, 3, height, width)."""
    return torch.arange(count * 3 * height * width, dtype=torch.float).view(count, 3, height, width)


@pytest.mark.parametrize(("height", "width", "tiles"), [(12, 12, 3), (16, 8, 4), (13, 17, 4), (5, 9, 1)])
def test_each_place_gets_the_tile_that_the_order_names(height, width, tiles):
    op, x = Jigsaw(tiles=tiles), numbered(3, height, width)
    order = op.sample(torch.rand(3, op.draws))
    y, h, w = op.apply(x, order).numpy(), height // tiles, width // tiles
    expected = x.numpy().copy()
    for sample, row in enumerate(order.tolist()):
        for place, tile in enumerate(row):
            (i, j), (a, b) = divmod(place, tiles), divmod(tile, tiles)
            expected[sample, :, i * h : (i + 1) * h, j * w : (j + 1) * w] = x.numpy()[
                sample, :, a * h : (a + 1) * h, b * w : (b + 1) * w
            ]
    assert np.array_equal(y, expected)


def test_a_picture_smaller_than_its_tiles_stays():
    op, x = Jigsaw(tiles=4), numbered(2, 3, 9)
    assert torch.equal(op.apply(x, op.sample(torch.rand(2, 16))), x)


def test_every_order_is_as_likely():
    op, n = Jigsaw(tiles=2), 24000
    orders = op.sample(torch.rand(n, 4, generator=torch.Generator().manual_seed(0)))
    counts = (orders * torch.tensor([64, 16, 4, 1])).sum(1).unique(return_counts=True)[1].double()
    assert len(counts) == math.factorial(4)
    assert ((counts - n / 24).square() / (n / 24)).sum() < 50  # chi2 of 23 degrees of freedom, probability 0.999
