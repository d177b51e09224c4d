"""Laws of colour spaces and channels: kornia's and scikit-image's numbers, scaled to [0, 1] and no further."""

import itertools

import kornia.color
import pytest
import torch
from skimage import color as skimage_color

from augstudy.augment.colorspace import LAB_HIGH, LAB_LOW, SPACES, Channels, ColorSpace, LinearRGB
from augstudy.augment.graph import Graph
from augstudy.augment.sampler import Pyramid
from augstudy.core.errors import UserError

NONE = torch.zeros(1, 0)
# Least and largest value of each channel over the RGB cube.
REACH = {
    "yuv": ((0, 1), (-0.43601035, 0.43601035), (-0.61497538, 0.61497538)),
    "yiq": ((0, 1), (-0.59590059, 0.59590059), (-0.52273617, 0.52273617)),
    "ydbdr": ((0, 1), (-1.333, 1.333), (-1.333, 1.333)),
}


@pytest.fixture(scope="module")
def colours():
    """A grid over the RGB cube, its corners and greys among it: (1, 3, 17, 289)."""
    steps = torch.linspace(0, 1, 17)
    return torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij")).view(1, 3, 17, 289)


@pytest.mark.parametrize("space", ["yuv", "yiq", "ydbdr"])
def test_linear_spaces_are_scikit_images(colours, space):
    theirs = getattr(skimage_color, f"rgb2{space}")(colours[0].permute(1, 2, 0).double().numpy())
    low, high = torch.tensor(REACH[space]).T
    ours = ColorSpace(space=space).apply(colours, NONE)[0].permute(1, 2, 0)
    torch.testing.assert_close(ours * (high - low) + low, torch.from_numpy(theirs).float(), rtol=0, atol=2e-3)


def test_lab_is_kornias_and_scikit_images(colours):
    ours = ColorSpace(space="lab").apply(colours, NONE)
    low, high = (torch.tensor(bounds)[:, None, None] for bounds in (LAB_LOW, LAB_HIGH))
    ours = ours * (high - low) + low
    assert (ours - kornia.color.rgb_to_lab(colours)).abs().max() < 1e-3
    theirs = torch.from_numpy(skimage_color.rgb2lab(colours[0].permute(1, 2, 0).numpy())).permute(2, 0, 1)
    assert (ours[0] - theirs).abs().max() < 0.02  # they carry one more digit of the same constants


def test_hsv_and_ycbcr_are_kornias(colours):
    hsv = ColorSpace(space="hsv").apply(colours, NONE)
    theirs = kornia.color.rgb_to_hsv(colours)
    torch.testing.assert_close(hsv[:, 0] * 2 * torch.pi, theirs[:, 0])
    torch.testing.assert_close(hsv[:, 1:], theirs[:, 1:])
    theirs = kornia.color.rgb_to_ycbcr(colours).clamp(0, 1)
    torch.testing.assert_close(ColorSpace(space="ycbcr").apply(colours, NONE), theirs)


@pytest.mark.parametrize("space", SPACES)
def test_every_channel_fills_zero_to_one_and_keeps_within(colours, space):
    y = ColorSpace(space=space).apply(colours, NONE)
    assert y.min() >= 0
    assert y.max() <= 1
    slack = 0.07 if space == "hsv" else 1e-3 if space == "ycbcr" else 2e-5  # the grid misses the last hues
    torch.testing.assert_close(y.amin((0, 2, 3)), torch.zeros(3), rtol=0, atol=slack)
    torch.testing.assert_close(y.amax((0, 2, 3)), torch.ones(3), rtol=0, atol=slack)


@pytest.mark.parametrize(("space", "grey"), [("ycbcr", 0.5), ("yuv", 0.5), ("yiq", 0.5), ("ydbdr", 0.5)])
def test_a_grey_has_no_chroma(space, grey):
    y = ColorSpace(space=space).apply(torch.linspace(0, 1, 9).view(1, 1, 1, 9).expand(1, 3, 1, 9), NONE)
    torch.testing.assert_close(y[:, 0, 0], torch.linspace(0, 1, 9)[None], rtol=0, atol=1e-3)
    assert (y[:, 1:] - grey).abs().max() < 1e-3


def test_a_linear_map_is_a_matrix_for_each_picture():
    op = LinearRGB(amount=0.25)
    params = op.sample(torch.rand(5, 9, generator=torch.Generator().manual_seed(0)))
    x = torch.rand(5, 3, 6, 7, generator=torch.Generator().manual_seed(1)) * 0.3 + 0.3
    expected = torch.einsum("bij,bjhw->bihw", params, x).clamp(0, 1)
    torch.testing.assert_close(op.apply(x, params), expected)
    assert (params - torch.eye(3)).abs().max() <= 0.25


def test_the_matrix_moves_from_the_identity_with_strength():
    u = torch.rand(5, 9, generator=torch.Generator().manual_seed(0))
    away = [(LinearRGB(strength=s).sample(u) - torch.eye(3)).abs().max() for s in (0, 0.5, 1, 2)]
    assert away[0] == 0
    assert away[1] < away[2] < away[3]


@pytest.mark.parametrize("keep", [(0,), (1, 2), (0, 1, 2)])
def test_channels_are_kept_and_the_others_filled_or_dropped(keep):
    x = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    filled, dropped = Channels(keep=keep).apply(x, NONE), Channels(keep=keep, drop=True).apply(x, NONE)
    for channel in range(3):
        assert torch.equal(filled[:, channel], x[:, channel] if channel in keep else torch.full_like(x[:, 0], 0.5))
    assert torch.equal(dropped, x[:, list(keep)])


def test_the_two_sides_of_a_colour_split_have_one_and_two_channels():
    x = torch.rand(4, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    lab = ColorSpace(space="lab").apply(x, NONE)
    sides = []
    for keep in ((0,), (1, 2)):
        graph = Graph((ColorSpace(space="lab"), Channels(keep=keep, drop=True)))
        sides.append(graph(Pyramid(x), graph.sample(0, "view", torch.arange(4))))
    torch.testing.assert_close(torch.cat(sides, 1), lab)


def test_a_colour_space_is_on_or_off_and_no_familys_strength_touches_it():
    for op in (ColorSpace(), Channels()):
        assert (op.scaled(0.0), op.chance) == (op, 1)
        assert type(op)(strength=0.5).chance == 1
        assert type(op)(strength=0.0).chance == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ColorSpace(space="labs"), "space is 'labs'"),
        (lambda: LinearRGB(amount=-1), "amount must lie in"),
        (lambda: Channels(keep=()), "keep is"),
        (lambda: Channels(keep=(0, 3)), "keep is"),
        (lambda: Channels(keep=(1, 0)), "keep is"),
        (lambda: Channels(fill=2), "fill must lie in"),
        (lambda: Channels(drop=True, p=0.5), "drop is on"),
    ],
)
def test_bad_settings_are_refused_by_name(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_lab_reaches_its_bounds_at_the_corners_of_the_cube():
    corners = torch.tensor([*itertools.product((0.0, 1.0), repeat=3)]).T.view(1, 3, 1, 8)
    lab = kornia.color.rgb_to_lab(corners)
    assert (lab.amin((0, 2, 3)) >= torch.tensor(LAB_LOW) - 1e-3).all()
    assert (lab.amax((0, 2, 3)) <= torch.tensor(LAB_HIGH) + 1e-3).all()
