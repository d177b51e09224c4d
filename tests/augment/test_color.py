"""Laws of the colour ops: torchvision's maths, step by step and in the order drawn for each sample."""

import itertools

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from augstudy.augment import color
from augstudy.augment.color import ColorJitter, Grayscale
from augstudy.core.errors import UserError

PARITY = 2 / 255  # torchvision rounds its grey weights to four digits, we use the exact ones
THEIRS = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)
FACTORS = {0: (0.0, 0.6, 1.0, 2.5), 1: (0.0, 0.6, 1.0, 2.5), 2: (0.0, 0.6, 1.0, 2.5), 3: (-0.5, -0.1, 0.0, 0.5)}


@pytest.fixture(scope="module")
def pictures():
    """Random colours, then the corners of the colour cube and a grey: (4, 3, 33, 47)."""
    x = torch.rand(4, 3, 33, 47, generator=torch.Generator().manual_seed(0))
    corners = torch.tensor([*itertools.product((0.0, 1.0), repeat=3), (0.5, 0.5, 0.5)]).T  # (3, 9)
    x[3, :, :, :45] = corners.repeat_interleave(5, 1)[:, None, :]
    return x


@pytest.mark.parametrize("step", range(4))
def test_each_step_is_torchvisions(pictures, step):
    for factor in FACTORS[step]:
        ours = color.STEPS[step](pictures, torch.full((4,), factor))
        assert (ours - THEIRS[step](pictures, factor)).abs().max() <= PARITY


@pytest.mark.parametrize("step", range(4))
def test_the_neutral_factor_changes_nothing(pictures, step):
    neutral = torch.full((4,), 0.0 if step == 3 else 1.0)
    torch.testing.assert_close(color.STEPS[step](pictures, neutral), pictures, rtol=0, atol=1e-6)


def test_hue_goes_round(pictures):
    once = color._hue(color._hue(pictures, torch.full((4,), 0.3)), torch.full((4,), 0.7))
    torch.testing.assert_close(once, pictures, rtol=0, atol=1e-5)


def test_jitter_applies_torchvisions_steps_in_each_samples_own_order():
    """All 24 orders in one batch, against torchvision's functions one at a time."""
    orders = torch.tensor(list(itertools.permutations(range(4)))).float()
    x = torch.rand(len(orders), 3, 12, 10, generator=torch.Generator().manual_seed(1))
    factors = torch.tensor([1.3, 0.7, 1.4, -0.08]).expand(len(orders), 4)
    ours = ColorJitter().apply(x, torch.cat((factors, orders), 1))
    for i, order in enumerate(orders.long().tolist()):
        theirs = x[i]
        for step in order:
            theirs = THEIRS[step](theirs, float(factors[i, step]))
        assert (ours[i] - theirs).abs().max() <= PARITY
    assert not torch.allclose(
        ours[0], ColorJitter().apply(x[:1], torch.cat((factors[:1], orders[-1:]), 1))[0], atol=1e-3
    )


def test_factors_fill_torchvisions_intervals_and_orders_are_permutations():
    jitter = ColorJitter(brightness=0.4, contrast=2.0, saturation=0.1, hue=0.2)
    params = jitter.sample(torch.rand(4000, 8, generator=torch.Generator().manual_seed(2)))
    for column, (low, high) in enumerate([(0.6, 1.4), (0.0, 3.0), (0.9, 1.1), (-0.2, 0.2)]):
        drawn = params[:, column]
        assert low <= drawn.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < drawn.max() <= high
        assert drawn.mean() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))
    orders = [tuple(row) for row in params[:, 4:].long().tolist()]
    assert {tuple(sorted(o)) for o in orders} == {(0, 1, 2, 3)}
    for order in itertools.permutations(range(4)):
        assert 100 < orders.count(order) < 240  # 167 expected, sd 13


def test_a_step_of_zero_strength_is_left_out(pictures):
    """Not even its place in the order matters."""
    jitter = ColorJitter(brightness=0.4, contrast=0, saturation=0, hue=0)
    factors = torch.tensor([[1.2, 1.0, 1.0, 0.0]]).expand(4, 4)
    for order in ([0.0, 1, 2, 3], [3.0, 2, 1, 0]):
        got = jitter.apply(pictures, torch.cat((factors, torch.tensor([order]).expand(4, 4)), 1))
        torch.testing.assert_close(got, tv.adjust_brightness(pictures, 1.2))


def test_jitter_leaves_its_input_alone(pictures):
    before = pictures.clone()
    ColorJitter().apply(pictures, ColorJitter().sample(torch.rand(4, 8)))
    assert torch.equal(pictures, before)


def test_contrast_of_one_picture_does_not_depend_on_threads_or_company():
    """A mean over 50,000 pixels at once would: torch splits a lone reduction between threads."""
    x = torch.rand(8, 3, 224, 224, generator=torch.Generator().manual_seed(3))
    factor = torch.full((8,), 0.5)
    threads = torch.get_num_threads()
    try:
        results = []
        for n in (1, 2):
            torch.set_num_threads(n)
            results.append(color._contrast(x, factor))
            results.append(torch.cat([color._contrast(a[None], factor[:1]) for a in x]))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(results[0], other) for other in results[1:])


def test_grayscale_is_torchvisions_in_three_equal_channels(pictures):
    y = Grayscale().apply(pictures, torch.zeros(4, 0))
    assert (y - tv.rgb_to_grayscale(pictures, 3)).abs().max() <= PARITY
    assert torch.equal(y[:, 0], y[:, 1])
    assert torch.equal(y[:, 0], y[:, 2])


@pytest.mark.parametrize("bad", [{"hue": 0.6}, {"brightness": -0.1}, {"contrast": float("nan")}])
def test_bad_strengths_are_refused_by_name(bad):
    with pytest.raises(UserError, match=f"{next(iter(bad))} must lie in"):
        ColorJitter(**bad)
