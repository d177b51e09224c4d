"""Laws of CutMix and MixUp, against a slow reference of one pixel at a time."""

import numpy as np
import pytest
import torch
from scipy.stats import beta as law

from augstudy.core.errors import UserError
from augstudy.learn.mixing import Mixing, beta, box, cutmix, mixup


def pictures(n=6, size=8, seed=0):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_cutmix_puts_a_box_of_the_reversed_batch_into_each_picture():
    x, (top, bottom, left, right) = pictures(), (2, 5, 1, 8)
    expected = x.clone().numpy()
    for i in range(len(x)):
        for r in range(top, bottom):
            for c in range(left, right):
                expected[i, :, r, c] = x[len(x) - 1 - i, :, r, c].numpy()
    assert np.array_equal(cutmix(x, (top, bottom, left, right)).numpy(), expected)


def test_mixup_is_the_weighted_mean_with_the_reversed_batch():
    x = pictures()
    for i, y in enumerate(mixup(x, 0.3)):
        torch.testing.assert_close(y, 0.3 * x[i] + 0.7 * x[len(x) - 1 - i])


def test_a_box_in_the_middle_replaces_the_share_that_is_not_kept():
    for kept in (0.0, 0.19, 0.5, 0.75, 1.0):
        top, bottom, left, right = box(kept, 0.5, 0.5, 100, 200)
        area = (bottom - top) * (right - left) / (100 * 200)
        assert area == pytest.approx(1 - kept, abs=0.01)


def test_a_box_stays_inside_the_picture_wherever_its_centre_lies():
    for v in (0.0, 0.3, 0.999):
        for w in (0.0, 0.6, 0.999):
            top, bottom, left, right = box(0.4, v, w, 32, 48)
            assert 0 <= top <= bottom <= 32
            assert 0 <= left <= right <= 48
            assert (bottom - top) * (right - left) <= 0.6 * 32 * 48


def test_the_kept_share_has_the_law_that_is_named():
    for a in (0.25, 1.0, 4.0):
        assert [beta(a, u) for u in (0.1, 0.5, 0.9)] == pytest.approx(law.ppf([0.1, 0.5, 0.9], a, a), abs=1e-6)


def test_off_is_the_identity_and_a_step_repeats_its_draw():
    x = pictures()
    assert Mixing()(x, 0, 3) is x
    for mixing in (Mixing(cutmix=1.0), Mixing(mixup=1.0)):
        assert torch.equal(mixing(x, 0, 3), mixing(x, 0, 3))
        assert len({mixing(x, seed, step)[0].sum().item() for seed in (0, 1) for step in range(8)}) > 8


def test_with_both_on_they_take_turns():
    x, both = pictures(), Mixing(cutmix=1.0, mixup=1.0)
    cut = [all((y == x).flatten() | (y == x.flip(0)).flatten()) for y in (both(x, 0, step) for step in range(64))]
    assert 16 < sum(cut) < 48


@pytest.mark.parametrize("name", ["cutmix", "mixup"])
def test_a_parameter_below_nothing_is_named(name):
    with pytest.raises(UserError, match=name):
        Mixing(**{name: -0.1})
