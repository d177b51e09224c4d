"""Laws of the one warp: exact where nothing is resampled, antialiased where pixels are lost, and no level leaks."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import avg_pool2d, grid_sample
from torchvision.transforms.v2 import functional as tv

from augstudy.augment.sampler import Pyramid

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
    y = Pyramid.of(x).warp(EYE.expand(2, 3, 3), size)
    torch.testing.assert_close(y, x, rtol=0, atol=5e-6)  # grid_sample's own [-1, 1] coordinates cost the last bits


@pytest.mark.parametrize("size", [*SIZES, (300, 777)])
def test_the_identity_gives_eight_bit_pixels_back_exactly(size):
    x = (noise(2, 3, *size) * 255).to(torch.uint8)
    y = Pyramid.of(x).warp(EYE.expand(2, 3, 3), size)
    assert torch.equal((y * 255).round().to(torch.uint8), x)


def test_a_whole_pixel_shift_moves_pixels_and_changes_none():
    x = (noise(1, 3, 33, 47) * 255).to(torch.uint8)
    y = Pyramid.of(x).warp(affine(1, 0, 7, 0, 1, 11), (20, 31))
    assert torch.equal((y * 255).round().to(torch.uint8), x[..., 11:31, 7:38])


def test_images_are_read_back_whole_whatever_their_dtype():
    x = (noise(2, 3, 33, 47) * 255).to(torch.uint8)
    assert torch.equal(Pyramid.of(x).images, x.float() / 255)
    assert torch.equal(Pyramid.of(x.float() / 255).images, x.float() / 255)
    assert torch.equal(Pyramid.of(x.double() / 255).images, (x.double() / 255).float())


@pytest.mark.parametrize("border", ["reflect", "black"])
@pytest.mark.parametrize(
    "matrix",
    [spin(20, 0.7, 1.3, -2.1), spin(-75, 1.4, -6, 9), affine(-3, 0.2, 20, 0.1, 2, -9), affine(1, 0, 31, 0, 1, 0)],
)
def test_reading_the_finest_level_is_the_slow_reference(matrix, border):
    image = noise(3, 7, 9)
    got = Pyramid.of(image[None]).warp(matrix, (6, 5), border, antialias=False)[0]
    torch.testing.assert_close(got, slow_read(image, matrix, (6, 5), border), rtol=0, atol=1e-5)


@FEW
@given(st.floats(-180, 180), st.floats(0.1, 3), st.floats(-60, 60), st.floats(-60, 60))
def test_without_antialias_it_is_grid_sample_with_reflection(angle, zoom, x0, y0):
    x, matrix, (h, w) = noise(1, 3, 33, 47), spin(angle, zoom, x0, y0), (13, 17)
    rows, columns = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    points = torch.stack((columns, rows, torch.ones(h, w)), -1) @ matrix[0, :2].T  # (h, w, 2)
    grid = (points * 2 / torch.tensor([47, 33]) - 1)[None]
    theirs = grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    ours = Pyramid.of(x).warp(matrix, (h, w), antialias=False)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


# Antialiasing


@pytest.mark.parametrize("vertical", [False, True])
def test_stripes_of_one_pixel_reduced_eight_times_are_grey(vertical):
    x = torch.zeros(1, 3, 516, 516)
    x[..., ::2] = 1
    x = x.mT.contiguous() if vertical else x
    pyramid, matrix = Pyramid.of(x), affine(516 / 64, 0, 0, 0, 516 / 64, 0)
    assert pyramid.warp(matrix, (64, 64)).std() < 0.01
    assert tv.resize(x, [64, 64], antialias=True).std() < 0.01
    assert pyramid.warp(matrix, (64, 64), antialias=False).std() > 0.25


@pytest.mark.parametrize("times", [2, 4, 8])
@pytest.mark.parametrize("size", [(64, 96), (33, 47)])
def test_a_reduction_by_a_power_of_two_is_the_mean_of_its_pixels(times, size):
    x = noise(2, 3, *size)
    expected = avg_pool2d(x, times)
    got = Pyramid.of(x).warp(affine(times, 0, 0, 0, times, 0).expand(2, 3, 3), expected.shape[-2:])
    torch.testing.assert_close(got, expected, rtol=0, atol=5e-6)


@pytest.mark.parametrize("angle", [0, 30, 90, 200])
@pytest.mark.parametrize(("zoom", "level"), [(0.25, 0), (1, 0), (2**0.5, 0.5), (2, 1), (6, math.log2(6)), (1000, 5)])
def test_the_level_follows_the_zoom_and_not_the_turn(angle, zoom, level):
    pyramid = Pyramid.of(torch.zeros(1, 3, 64, 64))
    assert pyramid.sizes[-1] == (2, 2)
    assert pyramid._level(spin(angle, zoom)).item() == pytest.approx(level, abs=1e-3)


def test_the_level_is_set_by_the_smaller_singular_value():
    matrices = torch.randn(50, 3, 3, generator=torch.Generator().manual_seed(0)) * 6
    smaller = torch.linalg.svdvals(matrices[:, :2, :2]).amin(1)
    got = Pyramid.of(torch.zeros(1, 3, 256, 256))._level(matrices)
    torch.testing.assert_close(got, smaller.clamp(min=1).log2(), rtol=0, atol=2e-3)


# Borders and neighbours


def test_a_black_border_is_black_outside_and_untouched_inside():
    pyramid, matrix, out = Pyramid.of(noise(1, 3, 33, 47) * 0.5 + 0.5), spin(25, 1.5, -20, -10), (60, 70)
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
    """No reading takes a pixel of another level, of the empty atlas or of another image; float32 places cost 1e-6."""
    values = torch.tensor([1.0, 0.25, 0.5])
    x = values.view(3, 1, 1, 1).expand(3, 3, *size)
    y = Pyramid.of(x).warp(spin(angle, zoom, x0, y0).expand(3, 3, 3), (9, 11))
    torch.testing.assert_close(y, values.view(3, 1, 1, 1).expand_as(y), rtol=0, atol=5e-6)


@FEW
@given(st.floats(-180, 180), st.floats(0.5, 40), st.floats(-99, 99), st.floats(-99, 99))
def test_pixels_stay_in_the_range_of_the_image(angle, zoom, x0, y0):
    x = noise(1, 3, 33, 47)
    y = Pyramid.of(x).warp(spin(angle, zoom, x0, y0), (9, 11))
    assert y.min() >= x.min() - 1e-6
    assert y.max() <= x.max() + 1e-6


def test_row_i_reads_image_i_or_the_only_one():
    x = noise(5, 3, 33, 47)
    matrices = torch.cat([spin(10 * i, 0.5 + i, 3, 4) for i in range(5)])
    together = Pyramid.of(x).warp(matrices, (12, 10))
    for i in range(5):
        assert torch.equal(together[i : i + 1], Pyramid.of(x[i : i + 1]).warp(matrices[i : i + 1], (12, 10)))
    of_one = Pyramid.of(x[:1]).warp(matrices, (12, 10))
    assert torch.equal(of_one[0], together[0])
    assert torch.equal(of_one[4], Pyramid.of(x[:1]).warp(matrices[4:], (12, 10))[0])


def test_levels_do_not_overlap_in_the_atlas():
    for size in [*SIZES, (200, 7), (7, 200)]:
        pyramid = Pyramid.of(torch.ones(1, 3, *size))
        assert pyramid.size == size
        assert pyramid.atlas[0, 0].sum() == sum(h * w for h, w in pyramid.sizes)
