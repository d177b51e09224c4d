"""Laws of the crops: which box, torchvision's law of it, and never outside where that is promised."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp, kstest
from torchvision.transforms import RandomResizedCrop as TheirCrop
from torchvision.transforms.v2 import functional as tv

from augstudy.augment.crops import CenterCrop, KeepInside, RandomCrop, RandomResizedCrop
from augstudy.augment.geometry import Perspective, Rotate
from augstudy.augment.sampler import Pyramid
from augstudy.core import rng
from augstudy.core.errors import UserError

ODD = (33, 47)
FEW = settings(deadline=None, max_examples=50, derandomize=True)


def boxes(op, params, size):
    """(x0, y0, w, h) in source pixels, read back from the matrices: (B, 4), whole numbers up to float32."""
    m, out = op.matrix(params, size).double(), op.out_size(size)
    return torch.stack((m[:, 0, 2], m[:, 1, 2], m[:, 0, 0] * out[1], m[:, 1, 1] * out[0]), 1)


def uniforms(op, n, stream="test"):
    return rng.uniform(0, stream, torch.arange(n), op.draws)


def warp(op, params, x):
    return Pyramid(x).warp(op.matrix(params, x.shape[-2:]), op.out_size(x.shape[-2:]), antialias=False)


# RandomResizedCrop


def slow_box(u, size, scale, ratio):
    """The first box that fits, as torchvision's `get_params` finds it, from the same uniforms; else its fallback."""
    height, width = size
    *shapes, u_x, u_y = u
    for share, shape in zip(shapes[::2], shapes[1::2], strict=True):
        area = height * width * (scale[0] + share * (scale[1] - scale[0]))
        aspect = math.exp(math.log(ratio[0]) + shape * (math.log(ratio[1]) - math.log(ratio[0])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return int(u_x * (width - w + 1)), int(u_y * (height - h + 1)), w, h
    w = min(width, round(height * ratio[1]))  # the test's images are all too wide
    return (width - w) // 2, 0, w, height


@pytest.mark.parametrize("size", [(97, 131), (40, 160)])
@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.3, 0.6)])
def test_the_first_box_that_fits_is_taken(size, scale):
    op = RandomResizedCrop(size=24, scale=scale)
    u = uniforms(op, 1000)
    got = boxes(op, u, size)
    expected = [slow_box(params, size, op.scale, op.ratio) for params in u.double().tolist()]
    torch.testing.assert_close(got, torch.tensor(expected).double(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("size", [(100, 100), (97, 131)])
def test_areas_ratios_and_places_are_distributed_as_torchvisions(size):
    n = 2000
    op = RandomResizedCrop(size=24)
    ours = boxes(op, uniforms(op, n), size)
    picture = torch.empty(3, *size)
    with rng.torch_seeded(0, "torchvision"):
        drawn = [TheirCrop.get_params(picture, list(op.scale), list(op.ratio)) for _ in range(n)]
    theirs = torch.tensor(drawn).double()[:, [1, 0, 3, 2]]  # top, left, h, w -> x0, y0, w, h
    for law in (
        lambda b: b[:, 2] * b[:, 3],
        lambda b: b[:, 2] / b[:, 3],
        lambda b: b[:, 0],
        lambda b: b[:, 1],
    ):
        assert ks_2samp(law(ours).numpy(), law(theirs).numpy()).pvalue > 1e-3


def test_a_log_area_is_uniform_in_its_logarithm():
    op = RandomResizedCrop(size=24, scale=(0.01, 1.0), ratio=(1.0, 1.0), area="log")
    b = boxes(op, uniforms(op, 2000), (4000, 4000))
    share = (b[:, 2] * b[:, 3] / 4000**2).log() / math.log(0.01)
    assert kstest(share.numpy(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("size", [(20, 400), (400, 20), (21, 333), (1, 50)])
def test_on_very_wide_and_tall_images_the_fallback_is_torchvisions(size):
    op = RandomResizedCrop(size=24, scale=(1.0, 1.0))
    top, left, h, w = TheirCrop.get_params(torch.empty(3, *size), [1.0, 1.0], list(op.ratio))
    got = boxes(op, uniforms(op, 20), size)
    torch.testing.assert_close(got, torch.tensor([[left, top, w, h]]).double().expand(20, 4), rtol=0, atol=1e-4)


def test_the_fallback_of_a_permitted_shape_is_the_whole_image():
    op = RandomResizedCrop(size=24, scale=(1.0, 1.0))
    misses = torch.zeros(1, op.draws)  # ratio 3/4 and the full area never fit a square
    assert boxes(op, misses, (60, 60)).round(decimals=3).tolist() == [[0, 0, 60, 60]]


def test_boxes_lie_inside_in_whole_pixels():
    op = RandomResizedCrop(size=24, scale=(0.002, 1.0))
    b = boxes(op, uniforms(op, 2000), ODD)
    assert (b - b.round()).abs().max() < 1e-4
    b = b.round()
    assert (b[:, :2] >= 0).all()
    assert (b[:, 2:] >= 1).all()
    assert (b[:, 0] + b[:, 2] <= ODD[1]).all()
    assert (b[:, 1] + b[:, 3] <= ODD[0]).all()


@pytest.mark.parametrize("size", [(97, 131), (64, 64), (40, 160)])
def test_strength_moves_the_law_from_the_whole_frame_to_the_published_one_and_beyond(size):
    h, w = size
    share, spread = [], []
    for strength in (0, 0.5, 1, 1.08):
        op = RandomResizedCrop(size=24, strength=strength)
        b = boxes(op, uniforms(op, 500), size)
        share.append((b[:, 2] * b[:, 3]).mean() / (h * w))
        spread.append((b[:, 2] / b[:, 3]).log().std())
        if strength == 0:
            torch.testing.assert_close(b, torch.tensor([[0, 0, w, h]]).double().expand(500, 4), rtol=0, atol=1e-4)
    assert all(a > b for a, b in itertools.pairwise(share))
    assert all(a < b for a, b in itertools.pairwise(spread))


def test_attempts_without_end_are_the_scripts_rejection():
    """The released script draws until a box fits; 32 attempts on a square hardly ever end in the fallback."""
    u = uniforms(RandomResizedCrop(attempts=32), 3000)
    ours = boxes(RandomResizedCrop(size=24, scale=(0.002, 1.0), attempts=32), u, (200, 200))
    rejected = []
    for row in u.double().tolist():
        shapes = zip(row[0:-2:2], row[1:-2:2], strict=True)
        area_ratio = ((200 * 200 * (0.002 + a * 0.998), 0.75 * (16 / 9) ** b) for a, b in shapes)
        sides = ((round(math.sqrt(a * r)), round(math.sqrt(a / r))) for a, r in area_ratio)
        rejected.append(next((w, h) for w, h in sides if w <= 200 and h <= 200))
    torch.testing.assert_close(ours[:, 2:], torch.tensor(rejected).double(), rtol=0, atol=1e-3)


# RandomCrop, CenterCrop


def test_random_crop_is_a_square_of_whole_pixels_that_reaches_every_place():
    op = RandomCrop(fraction=0.9)
    assert op.out_size(ODD) == (29, 29)
    edge = torch.tensor([[0.0, 0.0], [1 - 2.0**-24, 1 - 2.0**-24]])
    assert boxes(op, edge, ODD).tolist() == [[0, 0, 29, 29], [18, 4, 29, 29]]
    y0 = boxes(op, uniforms(op, 2000), ODD)[:, 1]
    assert torch.bincount(y0.long(), minlength=5).min() > 320  # 400 expected, sd 18


def test_a_crop_moves_pixels_and_does_not_change_them():
    x = torch.randint(0, 256, (1, 3, *ODD), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    op = RandomCrop(fraction=0.5)
    u = uniforms(op, 9)
    for (x0, y0, w, h), y in zip(boxes(op, u, ODD).long().tolist(), warp(op, u, x), strict=True):
        assert torch.equal((y * 255).round().to(torch.uint8), x[0, :, y0 : y0 + h, x0 : x0 + w])


def test_center_crop_keeps_the_centre():
    x = torch.randint(0, 256, (1, 3, *ODD), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    y = warp(CenterCrop(size=21), torch.zeros(1, 0), x)
    assert torch.equal((y * 255).round().to(torch.uint8), tv.center_crop(x, [21, 21]))


def test_strength_scales_what_a_crop_takes_off():
    assert [RandomCrop(strength=s).out_size((40, 60)) for s in (0, 0.5, 1, 3)] == [(40, 40), (30, 30), (20, 20), (1, 1)]
    none = torch.zeros(1, 0)
    for strength, box in [(0, [0, 0, 60, 40]), (0.5, [10, 5, 40, 30]), (1, [20, 10, 20, 20])]:
        assert boxes(CenterCrop(size=20, strength=strength), none, (40, 60)).tolist() == [box]


# KeepInside

entries = st.floats(-4, 4, width=32)
shifts = st.floats(-300, 300, width=32)
sides = st.integers(1, 200)


def corners(matrix, frame):
    """Where the frame's corners lie in the source: (4, 2)."""
    h, w = frame
    points = torch.tensor([[0, 0, 1], [w, 0, 1], [0, h, 1], [w, h, 1]]).double()
    return points @ matrix[0, :2].double().T


@FEW
@given(st.tuples(entries, entries, entries, entries), st.tuples(shifts, shifts), sides, sides, sides, sides)
def test_keep_inside_brings_every_corner_inside_and_keeps_the_shape(linear, shift, h, w, height, width):
    (a, b, c, d), (x0, y0) = linear, shift
    matrix = torch.tensor([[[a, b, x0], [c, d, y0], [0, 0, 1]]])
    kept = KeepInside().constrain(matrix, (h, w), (height, width))
    points = corners(kept, (h, w))
    assert (points > -1e-3).all()
    assert (points < torch.tensor([width, height]) + 1e-3).all()
    shrink = (kept[0, :2, :2].norm() / matrix[0, :2, :2].norm().clamp(min=1e-12)).item()
    assert shrink <= 1 + 1e-6
    torch.testing.assert_close(kept[0, :2, :2], matrix[0, :2, :2] * shrink, rtol=1e-4, atol=1e-6)
    assert torch.equal(kept[0, 2], torch.tensor([0.0, 0.0, 1.0]))


@FEW
@given(st.floats(-180, 180, width=32), st.floats(0, 1, width=32), st.floats(0, 1, width=32))
def test_keep_inside_leaves_a_frame_that_is_inside(angle, u, v):
    size, source = (20, 24), (100, 120)
    matrix = Rotate(degrees=180).matrix(torch.tensor([angle]), size)
    radius = math.hypot(*size) / 2
    matrix[0, :2, 2] += torch.tensor([radius + u * (120 - 2 * radius) - 12, radius + v * (100 - 2 * radius) - 10])
    torch.testing.assert_close(KeepInside().constrain(matrix, size, source), matrix, rtol=0, atol=2e-4)


def test_keep_inside_only_moves_a_frame_that_fits():
    matrix = torch.tensor([[[1.0, 0, -7], [0, 1, 95], [0, 0, 1]]])
    kept = KeepInside().constrain(matrix, (20, 24), (100, 120))
    assert kept.tolist() == [[[1, 0, 0], [0, 1, 80], [0, 0, 1]]]


def projected(matrix, frame):
    """Where points of a frame lie in the source, (N, 2), and their depths, (N,)."""
    y, x = torch.meshgrid(*(torch.linspace(0, n, 9, dtype=torch.float64) for n in frame), indexing="ij")
    points = torch.stack((x, y, torch.ones_like(x))).flatten(1)
    x, y, depth = matrix.double() @ points
    return torch.stack((x, y), 1) / depth[:, None], depth


@FEW
@given(st.integers(0, 10**6), st.floats(0, 1), sides, sides)
def test_keep_inside_holds_for_a_perspective_too(seed, distortion, height, width):
    frame, source, op = (40, 56), (height, width), Perspective(distortion=distortion)
    params = rng.uniform(seed, "test", torch.arange(1), 8)
    free = Rotate(degrees=180).matrix(torch.tensor([seed % 360 - 180.0]), frame) @ op.matrix(params, frame)
    kept = KeepInside().constrain(free, frame, source)[0]
    before, depth = projected(free[0], frame)
    if depth.min() < 1e-2:
        return  # beyond the horizon nothing bounds it
    after, _ = projected(kept, frame)
    assert (after > -1e-2).all()
    assert (after < torch.tensor([width, height]) + 1e-2).all()
    # The picture in the frame is the same, moved and not enlarged.
    shrink = (after[-1] - after[0]).norm() / (before[-1] - before[0]).norm()
    assert shrink <= 1 + 1e-4
    torch.testing.assert_close(after - after[0], (before - before[0]) * shrink, rtol=1e-3, atol=2e-2)


@pytest.mark.parametrize("seed", range(20))
def test_keep_inside_leaves_a_perspective_that_is_inside(seed):
    params = rng.uniform(seed, "test", torch.arange(1), 8)
    matrix = Perspective().matrix(params, (20, 24))
    low, high = (f(projected(matrix[0], (20, 24))[0], 0) for f in (torch.amin, torch.amax))
    size = [math.ceil(s) + 2 for s in (high - low).tolist()]
    moved = torch.eye(3)
    moved[:2, 2] = 1 - low.float()
    kept = KeepInside().constrain(moved @ matrix, (20, 24), (size[1], size[0]))
    torch.testing.assert_close(kept, moved @ matrix, rtol=0, atol=1e-3)


# Settings


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomCrop(fraction=0.0), "fraction must lie in"),
        (lambda: CenterCrop(size=0), "size must lie in"),
        (lambda: RandomResizedCrop(strength=-1), "strength must lie in"),
        (lambda: RandomResizedCrop(scale=(0.0, 1.0)), "scale must lie in"),
        (lambda: RandomResizedCrop(scale=(1.0, 0.5)), "scale must be two numbers"),
        (lambda: RandomResizedCrop(area="lin"), "area is 'lin'"),
        (lambda: RandomResizedCrop(attempts=0), "attempts must lie in"),
    ],
)
def test_bad_settings_are_refused_by_name(make, message):
    with pytest.raises(UserError, match=message):
        make()
