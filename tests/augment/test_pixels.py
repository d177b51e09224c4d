"""Laws of sharpness, noise and erasing: torchvision's maths and laws, and noise keyed by sample and pixel."""

import pytest
import torch
from kornia import enhance
from scipy.stats import ks_2samp, kstest
from torchvision.transforms import RandomErasing as TheirErasing
from torchvision.transforms.v2 import functional as tv

from augstudy.augment.pixels import Erasing, GaussianNoise, Sharpness, normal, random_words
from augstudy.core import rng
from augstudy.core.errors import UserError


def uniforms(op, n):
    return rng.uniform(0, "test", torch.arange(n), op.draws)


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


# Sharpness


@pytest.mark.parametrize("size", [(33, 47), (3, 3), (2, 9)])
def test_sharpness_is_torchvisions_and_kornias_with_a_factor_for_each_picture(size):
    x, factors = noise(4, 3, *size), torch.tensor([0.0, 0.6, 1.0, 1.9])
    ours = Sharpness().apply(x, factors)
    theirs = torch.stack([tv.adjust_sharpness(a, float(f)) for a, f in zip(x, factors, strict=True)])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    if min(size) > 2:
        torch.testing.assert_close(ours, enhance.sharpness(x, factors), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("strength", "bounds"), [(0, (1, 1)), (1, (0.1, 1.9)), (2, (0, 2.8))])
def test_factors_fill_their_interval(strength, bounds):
    drawn = Sharpness(strength=strength).sample(torch.tensor([[0.0], [1 - 2.0**-24]]))
    torch.testing.assert_close(drawn, torch.tensor(bounds).float(), rtol=0, atol=1e-6)


# GaussianNoise


def test_noise_is_normal_of_the_given_deviation_in_every_channel():
    op, x = GaussianNoise(sigma=0.05), torch.full((3, 3, 64, 64), 0.5)
    added = (op.apply(x, uniforms(op, 3)) - 0.5) / 0.05
    for sample in added.flatten(0, 1):
        assert kstest(sample.flatten().double().numpy(), "norm").pvalue > 1e-3
    rows = added.permute(1, 0, 2, 3).flatten(1)
    assert torch.corrcoef(torch.cat((rows, rows.roll(1, 1), rows.roll(64, 1)))).triu(1).abs().max() < 0.04


def test_noise_is_keyed_by_sample_and_pixel_and_by_nothing_else():
    op = GaussianNoise()
    params, x = uniforms(op, 6), torch.full((6, 3, 20, 30), 0.5)
    together = op.apply(x, params)
    torch.rand(3)  # the global generator plays no part
    assert torch.equal(together, op.apply(x, params))
    assert torch.equal(together[4:5], op.apply(x[4:5], params[4:5]))
    assert not torch.equal(together[0], together[1])
    # Row by row, a pixel's number decides: a picture cut below keeps the noise of the rows that stay.
    assert torch.equal(together[:, :, :7], op.apply(x[:, :, :7], params))


def test_noise_scales_with_strength_and_is_clipped():
    x, params = torch.full((1, 3, 8, 8), 0.5), uniforms(GaussianNoise(), 1)
    once, twice = (GaussianNoise(sigma=0.01, strength=s).apply(x, params) - 0.5 for s in (1, 2))
    torch.testing.assert_close(twice, 2 * once, rtol=0, atol=1e-6)
    loud = GaussianNoise(sigma=10).apply(x, params)
    assert (loud.min(), loud.max()) == (0, 1)


def test_quantiles_are_those_of_the_normal():
    words = torch.tensor([0, 2**15 << 16, 2**32 - 1, int(0.975 * 2**16) << 16])
    torch.testing.assert_close(normal(words), torch.tensor([-4.3248, 0.0, 4.3248, 1.96]), rtol=0, atol=1e-3)


def test_words_are_philox_of_pixel_and_key():
    key = torch.tensor([[3 * 2.0**-24, 5 * 2.0**-24]])
    words = random_words(key, torch.Size((1, 3, 4, 5)), "erasing")
    counter = torch.tensor([[13, 0, 3, 5]])
    assert torch.equal(words[0, :, 2, 3], rng.philox4x32(counter, rng.derive(0, "erasing"))[0, :3])


# Erasing


def slow_box(u, op, height, width):
    """Top, left, height and width as torchvision's `make_params` finds them, from the same uniforms."""
    for share, shape in zip(u[0:20:2], u[1:20:2], strict=True):
        area = height * width * (op.scale[0] + share * (op.scale[1] - op.scale[0]))
        ratio = op.ratio[0] * (op.ratio[1] / op.ratio[0]) ** shape
        h, w = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if 0 < h < height and 0 < w < width:
            return [int(u[20] * (height - h + 1)), int(u[21] * (width - w + 1)), h, w]
    return [0, 0, 0, 0]


@pytest.mark.parametrize("scale", [(0.02, 0.33), (0.9, 1.0)])
def test_the_first_box_that_fits_is_erased(scale):
    op = Erasing(scale=scale)
    params = uniforms(op, 500)
    boxes = op.boxes(params, 33, 47)[:, 2:]
    expected = torch.tensor([slow_box(u, op, 33, 47)[2:] for u in params.double().tolist()])
    assert torch.equal(boxes, expected.float())


def test_boxes_are_distributed_as_torchvisions():
    op, n = Erasing(), 2000
    ours = op.boxes(uniforms(op, n), 97, 131).double()
    picture = torch.empty(3, 97, 131)
    with rng.torch_seeded(0, "torchvision"):
        theirs = [TheirErasing.get_params(picture, op.scale, op.ratio, [0.0])[:4] for _ in range(n)]
    for mine, other in zip(ours.T, torch.tensor(theirs).double().T, strict=True):
        assert ks_2samp(mine.numpy(), other.numpy()).pvalue > 1e-3


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_what_is_erased_is_what_torchvision_erases(value):
    op, x = Erasing(value=value), noise(20, 3, 33, 47)
    params = uniforms(op, 20)
    ours = op.apply(x, params)
    for mine, a, (top, left, h, w) in zip(ours, x, op.boxes(params, 33, 47).long().tolist(), strict=True):
        assert torch.equal(mine, tv.erase(a, top, left, h, w, torch.tensor(value).view(1, 1, 1)))


def test_erased_noise_is_uniform():
    op, x = Erasing(fill="noise", scale=(0.5, 0.5), ratio=(1.0, 1.0)), torch.full((8, 3, 128, 128), 2.0)
    filled = op.apply(x, uniforms(op, 8))
    filled = filled[filled < 2]
    assert len(filled) == 24 * 91**2  # 91 is the square root of half of 128 x 128, rounded
    assert kstest(filled.double().numpy(), "uniform").pvalue > 1e-3


def test_strength_scales_the_area():
    params = uniforms(Erasing(), 300)
    areas = [Erasing(strength=s).boxes(params, 200, 200)[:, 2:].prod(1) for s in (0, 0.5, 1)]
    assert (areas[0] == 0).all()
    assert (areas[1] / areas[2]).median() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sharpness(amount=-1), "amount must lie in"),
        (lambda: GaussianNoise(sigma=-1), "sigma must lie in"),
        (lambda: Erasing(scale=(0.5, 0.1)), "scale must be two numbers"),
        (lambda: Erasing(fill="random"), "fill is 'random'"),
        (lambda: Erasing(value=3), "value must lie in"),
    ],
)
def test_bad_settings_are_refused_by_name(make, message):
    with pytest.raises(UserError, match=message):
        make()
