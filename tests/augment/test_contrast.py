"""Laws of the contrasts of Exemplar, against colorsys and NumPy."""

import colorsys

import numpy as np
import pytest
import torch

from augstudy.augment.contrast import AXES, MEAN, PrincipalContrast, SaturationValue


def pixels(seed=0):
    return torch.rand(3, 3, 4, 5, generator=torch.Generator().manual_seed(seed))


def test_colours_are_stretched_along_each_axis_by_its_own_factor():
    op, u = PrincipalContrast(factor=(0.8, 1.25)), torch.rand(3, 3, generator=torch.Generator().manual_seed(1))
    x = 0.45 + 0.1 * pixels()  # nothing is clipped
    y = op.apply(x, op.sample(u)).permute(0, 2, 3, 1).double().numpy()
    before, after = ((p - np.array(MEAN)) @ np.array(AXES).T for p in (x.permute(0, 2, 3, 1).double().numpy(), y))
    factors = 0.8 * (1.25 / 0.8) ** u.double().numpy()
    np.testing.assert_allclose(after, before * factors[:, None, None, :], atol=2e-4)  # axes have four digits


def test_axes_are_orthonormal():
    axes = torch.tensor(AXES)
    torch.testing.assert_close(axes @ axes.T, torch.eye(3), atol=2e-4, rtol=0)


def curve(c, exponent, factor, shift):
    return min(1.0, max(0.0, c**exponent * factor + shift))


def test_saturation_and_value_take_their_curves_and_hue_stays():
    op, x = SaturationValue(), pixels()
    params = op.sample(torch.rand(3, 6, generator=torch.Generator().manual_seed(2)))
    y = op.apply(x, params)
    for sample, (exponent, factor, shift) in enumerate(params.tolist()):
        for i, j in np.ndindex(4, 5):
            h, s, v = colorsys.rgb_to_hsv(*x[sample, :, i, j].tolist())
            s, v = (curve(c, exponent[k], factor[k], shift[k]) for k, c in enumerate((s, v)))
            assert y[sample, :, i, j].tolist() == pytest.approx(colorsys.hsv_to_rgb(h, s, v), abs=1e-5)


def test_parameters_are_within_their_bounds():
    params = SaturationValue().sample(torch.rand(500, 6))
    for part, (low, high) in enumerate(((0.25, 4), (0.7, 1.4), (-0.1, 0.1))):
        assert params[:, part].min() >= low - 1e-6
        assert params[:, part].max() <= high + 1e-5


def test_grey_stays_grey():
    y = SaturationValue().apply(
        torch.rand(4, 1, 3, 3).expand(-1, 3, -1, -1), SaturationValue().sample(torch.rand(4, 6))
    )
    assert torch.equal(y[:, 0], y[:, 1])
    assert torch.equal(y[:, 0], y[:, 2])
