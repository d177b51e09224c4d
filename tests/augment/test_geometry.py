"""Laws of the geometry ops: which way round, about which point, and how far."""

import pytest
import torch
from kornia.geometry.transform import rotate as kornia_rotate
from torchvision.transforms.functional import _get_perspective_coeffs
from torchvision.transforms.v2 import functional as tv

from augstudy.augment.geometry import (
    HorizontalFlip,
    Perspective,
    QuarterTurn,
    Rotate,
    Scale,
    Shear,
    Translate,
    VerticalFlip,
)
from augstudy.augment.sampler import Pyramid
from augstudy.core import rng
from augstudy.core.errors import UserError

ODD = (33, 47)


def warp(op, params, x):
    return Pyramid(x).warp(op.matrix(params, x.shape[-2:]), op.out_size(x.shape[-2:]), antialias=False)


def waves(height, width):
    """A smooth picture without symmetry: (1, 3, height, width)."""
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    return torch.stack([0.5 + 0.4 * torch.sin(3 * x + a * y + a) for a in (1.0, 2.0, 3.5)])[None]


# Rotate, Shear, flips


def test_a_quarter_turn_takes_the_right_to_the_top():
    """Counter-clockwise on the screen."""
    x = torch.zeros(1, 3, 9, 9)
    x[..., 4, 7] = 1  # right of the centre
    y = warp(Rotate(), torch.tensor([90.0]), x)
    assert y[0, 0].flatten().argmax() == 1 * 9 + 4  # as far above it
    assert y[0, 0, 1, 4] > 0.999


@pytest.mark.parametrize("side", [8, 9])
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_are_exact(side, quarters):
    x = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    y = warp(Rotate(degrees=180), torch.tensor([90.0 * quarters]), x)
    torch.testing.assert_close(y, torch.rot90(x, quarters, (2, 3)), rtol=0, atol=2e-5)


def inner(size, share=0.6):
    """Mask of the pixels whose neighbourhood no rotation takes outside: (h, w)."""
    y, x = torch.meshgrid(*(torch.arange(n) + 0.5 - n / 2 for n in size), indexing="ij")
    return (x.square() + y.square()).sqrt() < share * min(size) / 2


@pytest.mark.parametrize("angle", [-170.0, -35.0, 12.0, 90.0])
def test_a_turn_has_torchvisions_and_kornias_sign_and_centre(angle):
    x, mask = waves(*ODD), inner(ODD)
    ours = warp(Rotate(degrees=180), torch.tensor([angle]), x)
    theirs = tv.rotate(x, angle, tv.InterpolationMode.BILINEAR)
    assert (ours - theirs)[..., mask].abs().max() < 1e-4
    kornias = kornia_rotate(x, torch.tensor([angle]), align_corners=True)
    assert (ours - kornias)[..., mask].abs().max() < 1e-4


@pytest.mark.parametrize("angle", [-30.0, 20.0])
def test_a_slant_is_torchvisions(angle):
    x, mask = waves(*ODD), inner(ODD)
    ours = warp(Shear(), torch.tensor([angle]), x)
    theirs = tv.affine(x, 0, [0, 0], 1.0, [angle, 0], tv.InterpolationMode.BILINEAR)
    assert (ours - theirs)[..., mask].abs().max() < 1e-4


@pytest.mark.parametrize("op", [Rotate(degrees=25), Shear(degrees=25)])
def test_angles_fill_their_interval(op):
    u = torch.tensor([[0.0], [0.5], [1 - 2.0**-24]])
    torch.testing.assert_close(op.sample(u), torch.tensor([-25.0, 0.0, 25.0]), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("op", "axis"), [(HorizontalFlip(), 3), (VerticalFlip(), 2)])
def test_flips_are_exact(op, axis):
    x = torch.randint(0, 256, (2, 3, *ODD), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    y = warp(op, torch.zeros(2, 0), x)
    assert torch.equal((y * 255).round().to(torch.uint8), x.flip(axis))


@pytest.mark.parametrize("op", [Rotate(degrees=25), Shear(degrees=25)])
def test_strength_scales_angles(op):
    u = torch.tensor([[0.0], [0.5], [1 - 2.0**-24]])
    for strength in (0, 0.5, 2):
        torch.testing.assert_close(op.scaled(strength).sample(u), op.sample(u) * strength)


@pytest.mark.parametrize("op", [HorizontalFlip(), VerticalFlip(), QuarterTurn(p=0.5)])
def test_strength_scales_the_chance_of_what_is_on_or_off(op):
    assert [op.scaled(strength).chance for strength in (0, 0.5, 1, 2, 9)] == [0, 0.25, 0.5, 1, 1]


# Translate, Scale


@pytest.mark.parametrize("shift", [(5, -3), (-11, 7)])
def test_a_shift_is_torchvisions(shift):
    x = waves(*ODD)
    ours = warp(Translate(), torch.tensor([[shift[0] / ODD[1], shift[1] / ODD[0]]]), x)
    theirs = tv.affine(x, 0, list(shift), 1.0, [0, 0], tv.InterpolationMode.BILINEAR)
    inside = tv.affine(torch.ones_like(x), 0, list(shift), 1.0, [0, 0]) > 0
    assert (ours - theirs)[inside].abs().max() < 1e-5


def test_shifts_fill_their_shares_of_the_frame():
    op, edge = Translate(x=0.2, y=0.1), 1 - 2.0**-24
    u = torch.tensor([[0.0, 0.0], [0.5, 0.5], [edge, edge]])
    torch.testing.assert_close(op.sample(u), torch.tensor([[-0.2, -0.1], [0, 0], [0.2, 0.1]]), rtol=0, atol=1e-6)
    torch.testing.assert_close(op.scaled(0.5).sample(u), op.sample(u) / 2)


@pytest.mark.parametrize("factor", [0.7, 1.3])
def test_a_zoom_is_torchvisions(factor):
    x, mask = waves(*ODD), inner(ODD)
    ours = warp(Scale(), torch.tensor([factor]), x)
    theirs = tv.affine(x, 0, [0, 0], factor, [0, 0], tv.InterpolationMode.BILINEAR)
    assert (ours - theirs)[..., mask].abs().max() < 1e-4


@pytest.mark.parametrize(("strength", "bounds"), [(0, (1, 1)), (1, (0.5, 2)), (2, (0.25, 4))])
def test_factors_are_uniform_between_their_bounds(strength, bounds):
    drawn = Scale(scale=(0.5, 2.0), strength=strength).sample(torch.tensor([[0.0], [0.5], [1 - 2.0**-24]]))
    torch.testing.assert_close(drawn, torch.tensor([bounds[0], sum(bounds) / 2, bounds[1]]).float())


# Perspective


def mapped(matrix, points):
    """Where a projective matrix takes points: (3, 3), (N, 2) -> (N, 2)."""
    x, y, depth = matrix.double() @ torch.cat((points, torch.ones(len(points), 1)), 1).T.double()
    return torch.stack((x, y), 1) / depth[:, None]


@pytest.mark.parametrize("size", [ODD, (64, 64), (7, 5)])
def test_perspective_is_torchvisions_from_the_same_corners(size):
    """torchvision counts pixels from the centre of the first one, we from its corner."""
    op, (h, w) = Perspective(), size
    params = rng.uniform(0, "test", torch.arange(40), 8)
    starts = [[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]]
    points = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([w, h])
    for matrix, u in zip(op.matrix(params, size), params.double().tolist(), strict=True):
        bound = (int(0.5 * (w // 2)) + 1, int(0.5 * (h // 2)) + 1)
        inwards = [[int(u[2 * i] * bound[0]), int(u[2 * i + 1] * bound[1])] for i in range(4)]
        signs = [(1, 1), (-1, 1), (-1, -1), (1, -1)]
        ends = [[x + sx * dx, y + sy * dy] for (x, y), (sx, sy), (dx, dy) in zip(starts, signs, inwards, strict=True)]
        a, b, c, d, e, f, g, k = _get_perspective_coeffs(starts, ends)
        theirs = mapped(torch.tensor([[a, b, c], [d, e, f], [g, k, 1]]), points - 0.5) + 0.5
        torch.testing.assert_close(mapped(matrix, points), theirs, rtol=1e-3, atol=0.05)
        corners = torch.tensor(ends) + 0.5
        torch.testing.assert_close(
            mapped(matrix, corners), torch.tensor(starts) + 0.5, rtol=0, atol=1e-3, check_dtype=False
        )


def test_corners_are_distributed_as_torchvisions():
    """Whole pixels from 0 to a quarter of the side, each as likely, in each of the eight directions."""
    params = rng.uniform(0, "test", torch.arange(3000), 8)
    inverse = torch.linalg.inv(Perspective().matrix(params, (32, 32)).double())
    corners = torch.tensor([[0.5, 0.5], [31.5, 0.5], [31.5, 31.5], [0.5, 31.5]])
    places = torch.stack([mapped(m, corners) for m in inverse])  # (3000, 4, 2)
    inwards = (places - corners).abs()
    assert (inwards - inwards.round()).abs().max() < 1e-3
    for direction in inwards.round().long().flatten(1).T:
        counts = torch.bincount(direction, minlength=9)
        assert len(counts) == 9
        assert counts.min() > 250  # 333 expected, sd 17


def test_perspective_of_no_distortion_is_the_identity_even_of_one_pixel():
    for size in (ODD, (1, 1), (1, 9)):
        matrix = Perspective(strength=0).matrix(torch.rand(4, 8), size)
        torch.testing.assert_close(matrix, torch.eye(3).expand(4, 3, 3), rtol=0, atol=1e-5)


# QuarterTurn


@pytest.mark.parametrize("side", [8, 9])
def test_quarter_turns_move_pixels_and_change_none(side):
    x = torch.randint(0, 256, (4, 3, side, side), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    y = warp(QuarterTurn(), torch.arange(4).float(), x)
    expected = torch.stack([torch.rot90(a, k, (1, 2)) for k, a in enumerate(x)])
    assert torch.equal((y * 255).round().to(torch.uint8), expected)


def test_every_quarter_is_as_likely():
    turns = QuarterTurn().sample(rng.uniform(0, "test", torch.arange(4000), 1))
    assert torch.bincount(turns.long(), minlength=4).min() > 900  # 1000 expected, sd 27


def test_quarter_turns_want_squares():
    assert QuarterTurn().out_size((9, 9)) == (9, 9)
    with pytest.raises(UserError, match="square pictures, these are 47 x 33"):
        QuarterTurn().out_size(ODD)


# Settings


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rotate(degrees=190), "degrees must lie in"),
        (lambda: Shear(degrees=90), "degrees must lie in"),
        (lambda: Shear(degrees=30, strength=3), "strength x degrees must lie in"),
        (lambda: Translate(x=0.9, strength=2), "strength x x must lie in"),
        (lambda: Scale(scale=(0.0, 1.0)), "scale must lie in"),
        (lambda: Perspective(distortion=0.6, strength=2), "strength x distortion must lie in"),
    ],
)
def test_bad_settings_are_refused_by_name(make, message):
    with pytest.raises(UserError, match=message):
        make()
