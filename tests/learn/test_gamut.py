"""Laws of colours as classes, against slow NumPy."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from augstudy.learn.gamut import balance, bins, joined, lab_of, softly


def test_every_colour_falls_into_a_bin_and_every_bin_holds_one():
    """The cube of sRGB at other levels than the bins were made from, by scikit-image."""
    level = np.linspace(0, 1, 52)
    rgb = np.stack(np.meshgrid(level, level, level, indexing="ij"), -1).reshape(1, -1, 3)
    cells = {tuple(cell) for cell in np.round(rgb2lab(rgb)[0, :, 1:] / 10).astype(int)}
    known = {tuple(cell) for cell in (bins() / 10).long().tolist()}
    assert cells <= known
    assert len(known - cells) < 8  # slivers that only a finer lattice meets
    assert len(known) == len(bins()) == 261


def test_bins_are_made_where_networks_have_no_memory():
    bins.cache_clear()
    with torch.device("meta"):
        assert bins().device.type == "cpu"


def test_lab_and_back_is_the_picture():
    view = torch.rand(2, 3, 8, 8) * 2 - 1
    light, ab = lab_of(view)
    assert light.abs().max() <= 1.001
    wanted = rgb2lab(((view + 1) / 2).permute(0, 2, 3, 1).double().numpy())
    np.testing.assert_allclose(ab.permute(0, 2, 3, 1), wanted[..., 1:], atol=0.05)
    np.testing.assert_allclose((light[:, 0] + 1) * 50, wanted[..., 0], atol=0.02)
    torch.testing.assert_close(joined(light, ab), view, atol=2e-3, rtol=0)


def test_soft_labels_are_the_five_nearest_by_their_gaussian():
    centres = bins()
    ab = torch.rand(40, 2) * 120 - 60
    numbers, shares = softly(ab, centres)
    for pixel, chosen, share in zip(ab.double().numpy(), numbers.tolist(), shares.numpy(), strict=True):
        distance = np.sqrt(((centres.numpy() - pixel) ** 2).sum(1))
        nearest = np.argsort(distance, kind="stable")[:5]
        heights = np.exp(-(distance[nearest] ** 2) / (2 * 5**2))
        np.testing.assert_allclose(distance[chosen], distance[nearest], rtol=1e-5)
        np.testing.assert_allclose(share, heights / heights.sum(), rtol=2e-3, atol=1e-6)
    torch.testing.assert_close(shares.sum(1), torch.ones(40))


def test_rare_colours_weigh_more_and_the_mean_weight_is_1():
    centres, generator = bins(), np.random.default_rng(0)
    prior = generator.dirichlet(np.full(len(centres), 0.1))
    weights = balance(torch.from_numpy(prior).float(), centres, 0.5).double().numpy()
    smooth = np.zeros(len(prior))
    for a, share in zip(centres.double().numpy(), prior, strict=True):
        heights = np.exp(-((centres.numpy() - a) ** 2).sum(1) / 50)
        smooth += share * heights / heights.sum()
    wanted = 1 / (0.5 * smooth + 0.5 / len(prior))
    np.testing.assert_allclose(weights, wanted / (smooth * wanted).sum(), rtol=1e-4)
    assert np.corrcoef(smooth, weights)[0, 1] < 0
    assert (smooth * weights).sum() == pytest.approx(1, rel=1e-4)


def test_a_share_of_1_weighs_all_alike():
    prior = torch.rand(len(bins()))
    weights = balance(prior / prior.sum(), bins(), 1.0)
    torch.testing.assert_close(weights, torch.ones_like(weights), atol=1e-4, rtol=0)
