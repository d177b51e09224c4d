"""Laws of the tone ops: torchvision's maths, on floats and on 8-bit pixels."""

import pytest
import torch
from kornia import enhance
from torchvision.transforms.v2 import functional as tv

from augstudy.augment.tone import AutoContrast, Equalize, Gamma, Invert, Posterize, Solarize, power
from augstudy.core.errors import UserError

PARITY = 2 / 255
NONE = torch.zeros(4, 0)


@pytest.fixture(scope="module", params=["float", "8 bits"])
def pictures(request):
    """Noise with black and white in it, one channel of one value: (4, 3, 33, 47)."""
    x = (torch.rand(4, 3, 33, 47, generator=torch.Generator().manual_seed(0)) * 1.4 - 0.2).clamp(0, 1)
    x[3, 1] = 0.4
    x[2] = x[2] * 0.3 + 0.2
    return (x * 255).round() / 255 if request.param == "8 bits" else x


@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_solarize_is_torchvisions(pictures, threshold):
    assert torch.equal(Solarize(threshold=threshold).apply(pictures, NONE), tv.solarize(pictures, threshold))


@pytest.mark.parametrize("bits", range(1, 8))
def test_posterize_is_torchvisions(pictures, bits):
    ours = Posterize(bits=bits).apply(pictures, NONE)
    torch.testing.assert_close(ours, tv.posterize(pictures, bits), rtol=0, atol=1e-6)
    assert len(ours.unique()) <= 2**bits


def test_posterize_of_8_bit_pixels_is_kornias_up_to_a_level():
    x = torch.arange(256).view(1, 1, 16, 16).expand(1, 3, 16, 16) / 255
    assert (Posterize(bits=4).apply(x, NONE) - enhance.posterize(x, 4)).abs().max() <= 1 / 255 + 1e-6


@pytest.mark.parametrize(("strength", "levels"), [(0, 256), (0.5, 64), (1, 16), (1.5, 4), (9, 2)])
def test_strength_takes_bits_away(strength, levels):
    x = torch.arange(256).view(1, 1, 16, 16) / 255
    assert len(Posterize(strength=strength).apply(x, NONE).unique()) == levels


def test_invert_is_torchvisions(pictures):
    assert torch.equal(Invert().apply(pictures, NONE), tv.invert(pictures))


def test_equalize_is_torchvisions(pictures):
    ours = Equalize().apply(pictures, NONE)
    assert (ours - tv.equalize(pictures)).abs().max() <= 1e-6


def test_autocontrast_is_torchvisions_and_leaves_a_channel_of_one_value(pictures):
    ours = AutoContrast().apply(pictures, NONE)
    assert (ours - tv.autocontrast(pictures)).abs().max() <= 1e-6
    assert torch.equal(ours[3, 1], pictures[3, 1])


def test_gamma_is_torchvisions_and_kornias_with_an_exponent_for_each_picture(pictures):
    gamma = torch.tensor([0.3, 1.0, 1.2, 4.0])
    ours = Gamma().apply(pictures, gamma)
    theirs = torch.stack([tv.adjust_gamma(x, float(g)) for x, g in zip(pictures, gamma, strict=True)])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
    torch.testing.assert_close(ours, enhance.adjust_gamma(pictures, gamma), rtol=0, atol=1e-6)
    assert torch.equal(ours[1], pictures[1])


@pytest.mark.parametrize(("strength", "bounds"), [(0, (1, 1)), (1, (0.5, 2)), (2, (0.25, 4))])
def test_exponents_fill_their_interval(strength, bounds):
    drawn = Gamma(gamma=(0.5, 2.0), strength=strength).sample(torch.tensor([[0.0], [1 - 2.0**-24]]))
    torch.testing.assert_close(drawn, torch.tensor(bounds).float())


def test_a_power_does_not_depend_on_its_neighbours():
    """`torch.pow` fails this: it computes the last elements of a tensor by another routine."""
    x = torch.rand(1001, generator=torch.Generator().manual_seed(0))
    whole = power(x, 2.4)
    assert all(torch.equal(whole[i : i + 7], power(x[i : i + 7], 2.4)) for i in range(994))
    torch.testing.assert_close(whole, x**2.4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Solarize(threshold=1.1), "threshold must lie in"),
        (lambda: Posterize(bits=9), "bits must lie in"),
        (lambda: Gamma(gamma=(2.0, 1.0)), "gamma must be two numbers"),
    ],
)
def test_bad_settings_are_refused_by_name(make, message):
    with pytest.raises(UserError, match=message):
        make()
