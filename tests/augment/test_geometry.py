"""Laws of the geometry ops: which way round, about which point, and how far."""

import pytest
import torch
from kornia.geometry.transform import rotate as kornia_rotate
from torchvision.transforms.v2 import functional as tv

from augstudy.augment.geometry import HorizontalFlip, Rotate, Shear, VerticalFlip
from augstudy.augment.sampler import Pyramid
from augstudy.core.errors import UserError

ODD = (33, 47)


def warp(op, params, x):
    return Pyramid.of(x).warp(op.matrix(params, x.shape[-2:]), op.out_size(x.shape[-2:]), antialias=False)


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


# Settings


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rotate(degrees=190), "degrees must lie in"),
        (lambda: Shear(degrees=90), "degrees must lie in"),
    ],
)
def test_bad_settings_are_refused_by_name(make, message):
    with pytest.raises(UserError, match=message):
        make()
