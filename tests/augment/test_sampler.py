"""Laws of the one warp: exact where nothing is resampled, antialiased where pixels are lost, and no level leaks."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import avg_pool2d, grid_sample
from torchvision.transforms.v2 import functional as tv

from augstudy.augment.sampler import ACROSS, ALONG, Footprint, Pyramid
from augstudy.core.errors import UserError

FEW = settings(deadline=None, max_examples=25, derandomize=True)
SIZES = [(33, 47), (64, 64), (5, 3), (2, 9), (1, 1)]
EYE = torch.eye(3)[None]


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def affine(a, b, x0, c, d, y0):
    return torch.tensor([[[a, b, x0], [c, d, y0], [0, 0, 1.0]]])


def spin(angle, zoom, x0=0.0, y0=0.0):
    """A turn with enlargement: output to source."""
    c, s = zoom * math.cos(math.radians(angle)), zoom * math.sin(math.radians(angle))
    return affine(c, -s, x0, s, c, y0)


def slow_read(image, matrix, out, border):
    """Bilinear reading of one image, one pixel at a time; pixel centres at +0.5, mirrors at the image's edges."""
    _, height, width = image.shape
    result = torch.zeros(3, *out)
    for row in range(out[0]):
        for column in range(out[1]):
            x, y = (matrix[0, :2] @ torch.tensor([column + 0.5, row + 0.5, 1.0])).tolist()
            if border == "black" and not (0 <= x <= width and 0 <= y <= height):
                continue
            x, y = fold(x, width), fold(y, height)
            left, top = math.floor(x - 0.5), math.floor(y - 0.5)
            for j, wy in ((top, 1 - (y - 0.5 - top)), (top + 1, y - 0.5 - top)):
                for i, wx in ((left, 1 - (x - 0.5 - left)), (left + 1, x - 0.5 - left)):
                    result[:, row, column] += wx * wy * image[:, min(max(j, 0), height - 1), min(max(i, 0), width - 1)]
    return result


def fold(x, n):
    while not 0 <= x <= n:
        x = -x if x < 0 else 2 * n - x
    return x


# Exactness


@pytest.mark.parametrize("size", SIZES)
def test_the_identity_gives_the_image_back(size):
    x = noise(2, 3, *size)
    y = Pyramid(x).warp(EYE.expand(2, 3, 3), size)
    torch.testing.assert_close(y, x, rtol=0, atol=5e-6)  # grid_sample's own [-1, 1] coordinates cost the last bits


@pytest.mark.parametrize("size", [*SIZES, (300, 777)])
def test_the_identity_gives_eight_bit_pixels_back_exactly(size):
    x = (noise(2, 3, *size) * 255).to(torch.uint8)
    y = Pyramid(x).warp(EYE.expand(2, 3, 3), size)
    assert torch.equal((y * 255).round().to(torch.uint8), x)


def test_a_whole_pixel_shift_moves_pixels_and_changes_none():
    x = (noise(1, 3, 33, 47) * 255).to(torch.uint8)
    y = Pyramid(x).warp(affine(1, 0, 7, 0, 1, 11), (20, 31))
    assert torch.equal((y * 255).round().to(torch.uint8), x[..., 11:31, 7:38])


def test_images_are_read_back_whole_whatever_their_dtype():
    x = (noise(2, 3, 33, 47) * 255).to(torch.uint8)
    assert torch.equal(Pyramid(x).images, x.float() / 255)
    assert torch.equal(Pyramid(x.float() / 255).images, x.float() / 255)
    assert torch.equal(Pyramid(x.double() / 255).images, (x.double() / 255).float())


@pytest.mark.parametrize("border", ["reflect", "black"])
@pytest.mark.parametrize(
    "matrix",
    [spin(20, 0.7, 1.3, -2.1), spin(-75, 1.4, -6, 9), affine(-3, 0.2, 20, 0.1, 2, -9), affine(1, 0, 31, 0, 1, 0)],
)
def test_reading_the_finest_level_is_the_slow_reference(matrix, border):
    image = noise(3, 7, 9)
    got = Pyramid(image[None]).warp(matrix, (6, 5), border, antialias=False)[0]
    torch.testing.assert_close(got, slow_read(image, matrix, (6, 5), border), rtol=0, atol=1e-5)


@FEW
@given(st.floats(-180, 180), st.floats(0.1, 3), st.floats(-60, 60), st.floats(-60, 60))
def test_without_antialias_it_is_grid_sample_with_reflection(angle, zoom, x0, y0):
    x, matrix, (h, w) = noise(1, 3, 33, 47), spin(angle, zoom, x0, y0), (13, 17)
    rows, columns = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    points = torch.stack((columns, rows, torch.ones(h, w)), -1) @ matrix[0, :2].T  # (h, w, 2)
    grid = (points * 2 / torch.tensor([47, 33]) - 1)[None]
    theirs = grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    ours = Pyramid(x).warp(matrix, (h, w), antialias=False)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


# Antialiasing


@pytest.mark.parametrize("vertical", [False, True])
def test_stripes_of_one_pixel_reduced_eight_times_are_grey(vertical):
    x = torch.zeros(1, 3, 516, 516)
    x[..., ::2] = 1
    x = x.mT.contiguous() if vertical else x
    pyramid, matrix = Pyramid(x), affine(516 / 64, 0, 0, 0, 516 / 64, 0)
    assert pyramid.warp(matrix, (64, 64)).std() < 0.01
    assert tv.resize(x, [64, 64], antialias=True).std() < 0.01
    assert pyramid.warp(matrix, (64, 64), antialias=False).std() > 0.25


@pytest.mark.parametrize("quality", ["default", "fine"])
@pytest.mark.parametrize("times", [8, 11])
def test_stripes_reduced_along_one_axis_only_are_grey(times, quality):
    """The level is chosen by the axis that keeps its detail; several reads along the other make up for it."""
    x = torch.zeros(1, 3, 64, 528)
    x[..., ::2] = 1
    y = Pyramid(x).warp(affine(times, 0, 0, 0, 1, 0), (64, 528 // times), quality=quality)
    assert y.std() < (0.01 if times == 8 else 0.07)


def bricks(size=256):
    """A picture with edges at every angle and scale: (1, 3, size, size)."""
    y, x = torch.meshgrid(torch.arange(size) + 0.5, torch.arange(size) + 0.5, indexing="ij")
    waves = [torch.sin(x * f * math.cos(a) + y * f * math.sin(a)) for f, a in [(0.1, 0.3), (0.4, 1.2), (1.1, 2.2)]]
    return torch.stack([(w > 0.2 * i).float() for i, w in enumerate(waves)])[None]


def supersampled(image, matrix, out, times=16):
    """The slow truth: the mean of times x times bilinear reads in each output pixel."""
    fine = torch.diag(torch.tensor([1 / times, 1 / times, 1]))
    whole = (out[0] * times, out[1] * times)
    return avg_pool2d(Pyramid(image).warp(matrix @ fine, whole, antialias=False), times)


def psnr(got, truth):
    return -10 * (got - truth).square().mean().log10().item()


@pytest.mark.parametrize("matrix", [spin(25, 2.7, 60, -9), affine(3.1, 0.9, 5, -0.4, 1.6, 30), spin(-8, 5.0, 1, 30)])
def test_antialiasing_is_nearer_to_the_supersampled_truth_and_fine_nearer_still(matrix):
    x, out = bricks(), (32, 32)
    truth, pyramid = supersampled(x, matrix, out), Pyramid(x)
    naive, default, fine = (
        psnr(pyramid.warp(matrix, out, antialias=a, quality=q), truth)
        for a, q in [(False, "default"), (True, "default"), (True, "fine")]
    )
    assert default > naive + 3
    assert fine > default + 2


def test_a_footprint_has_the_singular_values_and_vectors_of_the_jacobian():
    jacobian = torch.randn(50, 2, 2, generator=torch.Generator().manual_seed(0)) * 6
    u, s, _ = torch.linalg.svd(jacobian)
    foot = Footprint.of(jacobian)
    torch.testing.assert_close(foot.length, s[:, 0], rtol=1e-4, atol=0)
    torch.testing.assert_close(foot.width, s[:, 1], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close((foot.along * u[:, :, 0]).sum(1).abs(), s[:, 0], rtol=1e-4, atol=0)
    torch.testing.assert_close((foot.across * u[:, :, 1]).sum(1).abs(), s[:, 1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("angle", [0, 30, 90, 200])
@pytest.mark.parametrize(("zoom", "octave"), [(0.25, 0), (1, 0), (2**0.5, 0), (2, 0.5), (6, math.log2(6) - 0.5)])
def test_the_level_follows_the_zoom_and_not_the_turn(angle, zoom, octave):
    foot = Footprint.of(spin(angle, zoom)[:, :2, :2])
    assert foot.level("default").item() == pytest.approx(octave, abs=1e-3)
    assert foot.level("fine").item() == pytest.approx(max(0, octave - 0.75), abs=1e-3)
    assert foot.reads("default").item() == 1


@pytest.mark.parametrize("quality", ["default", "fine"])
def test_reads_along_the_longer_axis_grow_with_it(quality):
    ratios = torch.tensor([1.0, 1.2, 2.0, 5.0, 100.0])
    foot = Footprint.of(torch.diag_embed(torch.stack((2 * ratios, torch.full_like(ratios, 2)), 1)))
    expected = [min(16, max(1, round(r * ALONG[quality]))) for r in ratios.tolist()]
    assert foot.reads(quality).tolist() == expected


def test_levels_shrink_by_half_an_octave_and_keep_the_mean():
    x = noise(1, 3, 64, 96)
    pyramid = Pyramid(x)
    assert [tuple(pyramid.level(k).shape[-2:]) for k in range(5)] == [(64, 96), (45, 68), (32, 48), (23, 34), (16, 24)]
    torch.testing.assert_close(pyramid.level(4), avg_pool2d(x, 4))
    for k in range(pyramid.depth + 1):
        torch.testing.assert_close(pyramid.level(k).mean(), x.mean(), rtol=0, atol=0.01)


# Compiled and torch's reads


@pytest.mark.parametrize("border", ["reflect", "black"])
@pytest.mark.parametrize("quality", ["default", "fine"])
@pytest.mark.parametrize("eight_bit", [True, False])
@pytest.mark.parametrize("count", [1, 12])
def test_the_compiled_warp_is_the_one_of_grid_sample(count, eight_bit, quality, border):
    x = (noise(count, 3, 67, 91) * 255).to(torch.uint8)
    pyramid = Pyramid(x if eight_bit else x.float() / 255)
    matrix = torch.cat([spin(31 * i, 0.3 * 1.6**i, 20 - 4 * i, 9) @ affine(1, 0.08 * i, 0, 0, 1, 0) for i in range(12)])
    compiled = pyramid.warp(matrix, (14, 17), border, quality=quality)
    foot = Footprint.of(matrix[:, :2, :2])
    level = (foot.level(quality) * 2).round().long().clamp(max=pyramid.depth)
    taps = torch.stack((foot.reads(quality), torch.full((12,), ACROSS[quality])), 1)
    reference = torch.empty(12, 3, 14, 17)
    pyramid._read(reference, torch.arange(12), matrix[:, :2], foot, level, taps, border)
    assert level.unique().numel() > 4
    difference = (compiled - reference).abs()
    assert difference.quantile(0.999) < 1 / 255  # a pixel on the very edge of a black border may fall on either side
    torch.testing.assert_close(difference.median(), torch.tensor(0.0), rtol=0, atol=1e-5)


# Perspective


def test_a_projective_warp_reads_the_points_it_names():
    image = noise(3, 17, 19)
    matrix = torch.tensor([[[1.2, 0.1, 1.0], [-0.1, 0.9, 2.0], [0.02, -0.01, 1.0]]])
    got = Pyramid(image[None]).warp(matrix, (6, 5), antialias=False)[0]
    for row in range(6):
        for column in range(5):
            x, y, w = (matrix[0] @ torch.tensor([column + 0.5, row + 0.5, 1.0])).tolist()
            there = affine(0, 0, x / w, 0, 0, y / w)
            torch.testing.assert_close(got[:, row, column], slow_read(image, there, (1, 1), "reflect")[:, 0, 0])


def test_an_affine_matrix_in_homogeneous_disguise_gives_the_affine_warp():
    y, x = torch.meshgrid(torch.arange(64) / 64, torch.arange(64) / 64, indexing="ij")
    smooth = torch.stack([0.5 + 0.4 * torch.sin(3 * x + a * y) for a in (1.0, 2.0, 3.0)])[None]
    matrix, pyramid = spin(20, 1.7, 9, 4), Pyramid(smooth)
    disguised = pyramid.warp(2 * matrix, (24, 24))
    assert (disguised - pyramid.warp(matrix, (24, 24))).abs().max() < 1 / 255


def test_a_batch_may_hold_affine_and_projective_samples():
    x = noise(3, 3, 40, 40)
    bent = torch.tensor([[[1.0, 0, 0], [0, 1, 0], [0.01, 0.005, 1]]])
    matrix = torch.cat((EYE, bent, spin(20, 2.0)))
    together = Pyramid(x).warp(matrix, (20, 20))
    for i in range(3):
        assert torch.equal(together[i : i + 1], Pyramid(x[i : i + 1]).warp(matrix[i : i + 1], (20, 20)))


# Borders and neighbours


def test_a_black_border_is_black_outside_and_untouched_inside():
    pyramid, matrix, out = Pyramid(noise(1, 3, 33, 47) * 0.5 + 0.5), spin(25, 1.5, -20, -10), (60, 70)
    black, mirror = pyramid.warp(matrix, out, "black"), pyramid.warp(matrix, out, "reflect")
    rows, columns = torch.meshgrid(torch.arange(60) + 0.5, torch.arange(70) + 0.5, indexing="ij")
    x, y = (torch.stack((columns, rows, torch.ones(60, 70)), -1) @ matrix[0, :2].T).unbind(-1)
    inside = (x >= 0) & (x <= 47) & (y >= 0) & (y <= 33)
    assert 0.1 < inside.float().mean() < 0.9
    assert (black[..., ~inside] == 0).all()
    assert torch.equal(black[..., inside], mirror[..., inside])
    assert (mirror >= 0.5 - 1e-5).all()


@FEW
@given(st.sampled_from(SIZES), st.floats(-180, 180), st.floats(0.05, 200), st.floats(-999, 999), st.floats(-999, 999))
def test_a_constant_image_is_constant_under_any_matrix(size, angle, zoom, x0, y0):
    """No reading takes a pixel from beyond its level or of another image."""
    values = torch.tensor([1.0, 0.25, 0.5])
    x = values.view(3, 1, 1, 1).expand(3, 3, *size)
    y = Pyramid(x).warp(spin(angle, zoom, x0, y0).expand(3, 3, 3), (9, 11))
    torch.testing.assert_close(y, values.view(3, 1, 1, 1).expand_as(y), rtol=0, atol=5e-6)


@FEW
@given(st.floats(-180, 180), st.floats(0.5, 40), st.floats(-99, 99), st.floats(-99, 99))
def test_pixels_stay_in_the_range_of_the_image(angle, zoom, x0, y0):
    x = noise(1, 3, 33, 47)
    y = Pyramid(x).warp(spin(angle, zoom, x0, y0), (9, 11))
    assert y.min() >= x.min() - 1e-6
    assert y.max() <= x.max() + 1e-6


@pytest.mark.parametrize("eight_bit", [True, False])
def test_row_i_reads_image_i_or_the_only_one(eight_bit):
    x = noise(5, 3, 33, 47)
    x = (x * 255).to(torch.uint8) if eight_bit else x
    matrices = torch.cat([spin(10 * i, 0.5 + i, 3, 4) for i in range(5)])
    together = Pyramid(x).warp(matrices, (12, 10))
    for i in range(5):
        assert torch.equal(together[i : i + 1], Pyramid(x[i : i + 1]).warp(matrices[i : i + 1], (12, 10)))
    of_one = Pyramid(x[:1]).warp(matrices, (12, 10))
    assert torch.equal(of_one[0], together[0])
    assert torch.equal(of_one[4], Pyramid(x[:1]).warp(matrices[4:], (12, 10))[0])


@pytest.mark.parametrize("key", ["border", "quality"])
def test_an_unknown_border_or_quality_is_named(key):
    with pytest.raises(UserError, match="nonsense"):
        Pyramid(noise(1, 3, 8, 8)).warp(EYE, (8, 8), **{key: "nonsense"})


def test_three_matrices_for_two_images_are_refused():
    with pytest.raises(ValueError, match="3 matrices for 2 images"):
        Pyramid(noise(2, 3, 8, 8)).warp(EYE.expand(3, 3, 3), (8, 8))


def test_no_matrix_gives_no_pixels():
    assert Pyramid(noise(1, 3, 8, 8)).warp(EYE[:0], (4, 5)).shape == (0, 3, 4, 5)
