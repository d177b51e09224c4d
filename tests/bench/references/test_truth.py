"""The truth is true, and both sides aim at it."""

import pytest
import torch

from augstudy.augment.sampler import Pyramid
from augstudy.bench.references.truth import aims, our_crops, psnr, script_crops, still, supersampled
from augstudy.data.corpus import Recipe

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def smooth():
    """Long waves, in which any shift, wrong turn or wrong slant shows and no resampling does: (3, 480, 640) uint8."""
    y, x = torch.meshgrid(torch.arange(480) / 90, torch.arange(640) / 90, indexing="ij")
    waves = torch.stack((torch.sin(x + 0.3 * y), torch.cos(y - 0.5 * x), torch.sin(x) * torch.cos(y)))
    return (127.5 + 120 * waves).round().to(torch.uint8)


def test_supersampling_of_a_slope_gives_the_slope_at_pixel_centres():
    image = torch.arange(200, dtype=torch.uint8).expand(3, 100, 200)
    matrix = torch.tensor([[[3.0, 1.0, 20.0], [0.5, 2.0, 10.0], [0, 0, 1]]])
    truth = supersampled(image, matrix, 16)
    centre = torch.arange(16) + 0.5
    x = 3 * centre[None, :] + centre[:, None] + 20  # (16, 16)
    torch.testing.assert_close(truth[0, 0] * 255, x - 0.5, atol=1e-3, rtol=0)


def test_psnr_of_a_known_error():
    assert psnr(torch.full((2, 3, 4, 4), 0.6), torch.full((2, 3, 4, 4), 0.5)) == pytest.approx(20, abs=1e-4)


@pytest.mark.parametrize("size", [32, 36])  # the margin of the centre crop is odd, then even
def test_both_sides_aim_where_the_truth_lies(smooth, size):
    recipe = Recipe(size=size)
    aimed = aims(recipe, (480, 640), 30)
    truth = supersampled(smooth, aimed.matrix, size)
    assert len(truth) == 30
    assert psnr(script_crops(smooth, recipe, aimed), truth) > 45
    assert psnr(our_crops(smooth, recipe, aimed, CPU), truth) > 45


def test_aims_are_those_of_the_corpus_and_inside_the_image(picture):
    recipe = Recipe(size=16)
    aimed = aims(recipe, (120, 160), 30)
    corners = aimed.matrix @ torch.tensor([[0.0, 16, 0, 16], [0, 0, 16, 16], [1, 1, 1, 1]])
    assert (corners[:, :2] >= 0).all()
    assert (corners[:, 0] <= 160).all()
    assert (corners[:, 1] <= 120).all()
    warped = Pyramid(picture[None]).warp(aimed.matrix, (16, 16))
    torch.testing.assert_close(our_crops(picture, recipe, aimed, CPU), warped, atol=2e-3, rtol=0)


def test_still_keeps_the_geometry_and_its_numbers():
    moving, quiet = Recipe().graph(), still(Recipe()).graph()
    index = torch.arange(8)
    for one, other in zip(moving.sample(0, "crop", index)[:5], quiet.sample(0, "crop", index)[:5], strict=True):
        assert torch.equal(one.params, other.params)


@pytest.mark.parametrize("shift", [0.0, 0.25, 1.0, 3.7])
def test_stripes_of_one_pixel_are_gone_when_reduced_eight_times(shift):
    stripes = (torch.arange(512) % 2 * 255).to(torch.uint8).expand(1, 3, 512, 512)
    for picture in (stripes, stripes.transpose(2, 3)):
        matrix = torch.tensor([[[8.0, 0, shift], [0, 8.0, shift], [0, 0, 1]]])
        assert Pyramid(picture).warp(matrix, (63, 63)).std() < 0.01
