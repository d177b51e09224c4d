"""Laws of first-layer filters: their order and their numbers."""

import numpy as np
import pytest
import torch
from torch.nn.functional import conv2d

from augstudy.learn.backbones.alexnet import Sobel
from augstudy.show.first_layer import (
    FREQUENCIES,
    coherence,
    colourfulness,
    frequency,
    on_image,
    ordered,
    orientation,
    statistics,
    stretched,
    tiles,
)

from .synthetic import filter_bank


def grating(degrees: float, size: int = 9, pace: float = 0.8) -> np.ndarray:
    """A grey wave whose brightness changes along this direction, counter-clockwise from the right."""
    v, u = np.mgrid[:size, :size] - size // 2
    angle = np.radians(degrees)
    wave = np.sin(pace * (u * np.cos(angle) - v * np.sin(angle)))  # rows count downwards
    return np.repeat(wave[..., None], 3, axis=-1)


def noise(count: int = 400, size: int = 7, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(count, size, size, channels))


def test_each_filter_is_stretched_by_its_own_extremes():
    scaled = stretched(np.stack([grating(30), 5 * grating(70) + 3]))
    assert scaled.min(axis=(1, 2, 3)).tolist() == [0, 0]
    assert scaled.max(axis=(1, 2, 3)).tolist() == [1, 1]
    assert (stretched(np.full((1, 3, 3, 3), 7.0)) == 0.5).all()


@pytest.mark.parametrize("degrees", [0, 30, 90, 135, 170])
@pytest.mark.parametrize("tint", [[1, 1, 1], [1, -1, 0]])
def test_orientation_of_a_grating_is_the_direction_it_changes_in(degrees, tint):
    found = orientation(grating(degrees)[None] * tint)[0]
    assert abs((found - degrees + 90) % 180 - 90) < 4
    assert coherence(grating(degrees)[None])[0] > 0.6


def test_a_blob_has_no_direction_and_a_filter_of_one_pixel_neither():
    assert coherence(np.ones((1, 7, 7, 3)))[0] < 1e-9
    assert orientation(filter_bank(0)[:, :1, :1]).tolist() == [0] * 24


def test_colourfulness_is_nought_for_grey_and_one_for_pure_chroma():
    chroma = grating(0) * [1, -1, 0]
    assert colourfulness(np.stack([grating(0), chroma])) == pytest.approx([0, 1], abs=1e-9)
    assert colourfulness(np.zeros((1, 3, 3, 3))) == 0


def test_order_is_the_same_whatever_the_order_of_the_network_and_grey_comes_first():
    bank = np.stack([grating(a) for a in (100, 10, 55)] + [grating(20) * [1, -1, 0], grating(20) * [1, 0.3, 0.3]])
    expected = bank[[1, 2, 0, 4, 3]]
    for shuffle in (np.arange(5), np.array([3, 1, 4, 0, 2])):
        np.testing.assert_array_equal(ordered(bank[shuffle], 0.25), expected)


def test_frequency_is_that_of_a_long_grating_and_of_white_noise():
    assert frequency(grating(40, 31, 2 * np.pi * 0.2)[None])[0] == pytest.approx(0.2, abs=0.02)
    radius = np.hypot(*np.meshgrid(*2 * [np.linspace(-0.5, 0.5, 401)])).mean()
    assert frequency(noise()).mean() == pytest.approx(radius, abs=0.005)


def test_filters_on_slopes_act_on_the_image_as_sobel_and_they_do_together():
    """Against torch: the network's own front end and a convolution behind it."""
    weights = noise(5, channels=2)
    image = torch.randn(1, 3, 24, 24, dtype=torch.float64)
    slopes = Sobel().double()(image)[..., 1:-1, 1:-1]  # the front end pads by one pixel
    expected = conv2d(slopes, torch.from_numpy(weights).permute(0, 3, 1, 2))
    together = torch.from_numpy(on_image(weights)).permute(0, 3, 1, 2)
    torch.testing.assert_close(conv2d(image.sum(1, keepdim=True), together), expected)


def test_two_channels_are_shown_side_by_side_in_grey():
    shown = tiles(stretched(noise(3, 5, 2)))
    assert shown.shape == (3, 5, 10, 3)
    assert (shown == shown[..., :1]).all()


def test_statistics_count_what_was_put_in():
    bank = np.concatenate(
        [
            [grating(a, 7, 2 * np.pi / 4) for a in (0, 22.5, 45, 67.5, 90, 112.5, 135, 157.5)],
            [grating(0, 7, 2 * np.pi / 4) * 3],  # a twin of the first
            [grating(45, 7) * [1, -1, 0]],
            [1e-3 * grating(20, 7)],
            [np.zeros((7, 7, 3))],
        ]
    )
    found = statistics(bank)
    assert (found.count, found.dead) == (12, pytest.approx(2 / 12))
    assert found.duplicate == pytest.approx(2 / 10)
    assert found.coloured == pytest.approx(1 / 10)
    assert found.orientation.sum() == pytest.approx(1)
    assert found.orientation.argmax() in (0, 2)
    assert found.frequency.sum() == pytest.approx(1)
    assert 0.2 <= (found.frequency * FREQUENCIES[1:]).sum() <= 0.35


def test_opposite_filters_are_no_twins_for_a_relu_tells_them_apart():
    assert statistics(np.stack([grating(10), -grating(10)])).duplicate == 0


def test_random_filters_have_no_twins_and_no_favourite_direction():
    found = statistics(noise())
    assert (found.duplicate, found.dead) == (0, 0)
    assert np.ptp(found.orientation) < 0.06
    assert np.isnan(statistics(noise(channels=2)).coloured)


def test_a_layer_of_zeros_is_dead_and_says_nothing_else():
    found = statistics(np.zeros((4, 5, 5, 3)))
    assert (found.dead, found.duplicate, found.orientation.sum(), found.frequency.sum()) == (1, 0, 0, 0)
