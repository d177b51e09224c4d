"""Laws of the view families: what the control of each does to the pixels, and to nothing else."""

import pytest
import torch

from augstudy.augment.color import ColorJitter
from augstudy.augment.colorspace import ColorSpace
from augstudy.augment.crops import RandomResizedCrop
from augstudy.augment.frequency import HighPass, LowPass
from augstudy.augment.pairs import OverlapCrop
from augstudy.augment.sampler import Pyramid
from augstudy.augment.tiles import Jigsaw
from augstudy.augment.views.blur import Blur
from augstudy.augment.views.distance import Distance
from augstudy.augment.views.frequency import Frequency
from augstudy.augment.views.jigsaw import JigsawView
from augstudy.augment.views.jitter import Jitter
from augstudy.augment.views.min_scale import MinScale
from augstudy.augment.views.noise import Noise
from augstudy.augment.views.overlap import Overlap
from augstudy.augment.views.split import Split
from augstudy.core.build import build
from augstudy.core.errors import UserError
from augstudy.data.corpus import Corpus, Recipe

INDEX = torch.arange(40)
QUIET = {"size": 16, "jitter_p": 0.0, "gray_p": 0.0, "blur_p": 0.0, "flip_p": 0.0}


def pairs(view, source, epoch=0):
    return [source.view(INDEX, graph, epoch=epoch, view=number) for number, graph in enumerate(view.pair())]


@pytest.fixture(scope="module")
def corpus(picture):
    return Corpus(picture, Recipe(count=64, size=32), seed=1)


@pytest.fixture(scope="module")
def map_of_places():
    """An image whose red is x / 200 and whose green is y / 200, in pixels."""
    y, x = torch.meshgrid(torch.arange(120), torch.arange(160), indexing="ij")
    return torch.stack((x, y, torch.zeros_like(x))).to(torch.uint8)


def test_min_scale_is_the_lower_bound_of_the_crop_and_nothing_else():
    low, high = MinScale(min_scale=0.08).graph().ops, MinScale(min_scale=0.6).graph().ops
    assert low[0] == RandomResizedCrop(size=224, scale=(0.08, 1.0))
    assert high[0] == RandomResizedCrop(size=224, scale=(0.6, 1.0))
    assert low[1:] == high[1:]


def test_a_setting_that_the_control_stands_for_cannot_be_set():
    with pytest.raises(UserError, match="unknown key 'scale'"):
        build(MinScale, {"scale": [0.1, 1]}, "study.yaml: view")
    with pytest.raises(UserError, match="unknown key 'hue'"):
        build(Jitter, {"hue": 0.1}, "study.yaml: view")


def test_jitter_is_the_published_form_at_every_strength():
    for x in (0.25, 1.0, 2.0):
        assert Jitter(strength=x).graph().ops[1] == ColorJitter(0.8, 0.8 * x, 0.8 * x, 0.8 * x, 0.2 * x)
    assert len(Jitter(strength=0).graph().ops) == len(Jitter().graph().ops) - 1
    with pytest.raises(UserError, match=r"strength must lie in \[0, 2.5\]"):
        Jitter(strength=3.0)


def test_blur_has_one_width_and_zero_is_sharp():
    assert Blur(sigma=1.5).graph().ops[-1] == LowPass(sigma=1.5)
    assert Blur(sigma=0).graph().ops == Noise(sigma=0, blur_p=0).graph().ops


def test_noise_has_the_deviation_it_says_and_is_new_in_each_view():
    grey = Corpus(torch.full((3, 64, 64), 128, dtype=torch.uint8), Recipe(count=64, size=32, jitter_p=0))
    first, second = (x - 128 / 255 for x in pairs(Noise(**QUIET, sigma=0.1), grey))
    assert first.std().item() == pytest.approx(0.1, rel=0.02)
    assert first.mean().abs() < 2e-3
    assert abs(torch.corrcoef(torch.stack((first.flatten(), second.flatten())))[0, 1]) < 0.02


@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_two_crops_have_the_share_in_common(overlap):
    draws = torch.rand(500, 6, generator=torch.Generator().manual_seed(0))
    boxes = []
    for side in (0, 1):
        matrix = OverlapCrop(size=8, overlap=overlap, side=side).matrix(draws, (60, 80))
        low = matrix[:, :2, 2]
        boxes.append((low, low + 8 * matrix.diagonal(dim1=1, dim2=2)[:, :2]))
    (a, b), (c, d) = boxes
    common = (torch.minimum(b, d) - torch.maximum(a, c)).clamp(min=0).prod(1)
    torch.testing.assert_close(common / (b - a).prod(1), torch.full((500,), overlap), atol=2e-4, rtol=0)
    torch.testing.assert_close(b - a, d - c)
    assert torch.minimum(a, c).min() >= -1e-3
    assert (torch.maximum(b, d) <= torch.tensor([80.0, 60.0]) + 1e-3).all()
    shares = (b - a).prod(1) / 4800
    assert shares.min() >= 0.1
    assert shares.max() <= 0.2501


def test_only_the_crop_is_shared_between_overlapping_views(corpus):
    first, second = Overlap(size=16, overlap=1.0).pair()
    draws = [graph.sample(0, "view", INDEX, view=number) for number, graph in enumerate((first, second))]
    assert torch.equal(draws[0][0].params, draws[1][0].params)
    assert not torch.equal(draws[0][1].params, draws[1][1].params)
    same = pairs(Overlap(**QUIET, overlap=1.0), corpus)
    assert torch.equal(*same)


@pytest.mark.parametrize("distance", [0, 17, 60])
def test_patches_lie_the_distance_apart_in_pixels_of_the_image(map_of_places, distance):
    source = Corpus(map_of_places, Recipe(count=64, size=32, initial_crop=0.3))
    first, second = (255 * x[:, :2] for x in pairs(Distance(size=20, patch=20, distance=distance), source))
    torch.testing.assert_close(second - first, torch.full_like(first, distance), atol=1e-2, rtol=0)
    assert first.amin((2, 3)).unique(dim=0).shape[0] > 20  # they lie all over the image


def test_patches_that_leave_the_image_say_how_far_they_may_lie_apart(map_of_places):
    graph = Distance(size=16, patch=32, distance=100).graph()
    with pytest.raises(UserError, match="Set distance to 88 or less"):
        graph(Pyramid(map_of_places[None]), graph.sample(0, "view", INDEX))


@pytest.mark.parametrize("space", ["rgb", "hsv", "lab", "ycbcr", "ydbdr", "yiq"])
def test_a_split_gives_the_channels_of_one_crop_to_two_sides(corpus, space):
    view = Split(size=16, space=space, first=(1,))
    first, second = pairs(view, corpus)
    whole = torch.stack((second[:, 0], first[:, 0], second[:, 1]), 1)
    crop = RandomResizedCrop(size=16, scale=(0.2, 1.0))
    plain = corpus.view(INDEX, type(view.graph())((crop, *view.graph().ops[1:2]), shared=2))
    torch.testing.assert_close(whole, ColorSpace(space=space).apply(plain, torch.empty(0)))


@pytest.mark.parametrize("first", [(), (0, 1, 2), (3,), (1, 1)])
def test_a_split_leaves_each_side_a_channel(first):
    with pytest.raises(UserError, match="first is"):
        Split(first=first)


@pytest.mark.parametrize("sigma", [0.3, 0.7, 2.0])
def test_low_pass_and_residual_add_up_to_the_crop(corpus, sigma):
    view = Frequency(size=16, sigma=sigma)
    low, high = pairs(view, corpus)
    plain = corpus.view(INDEX, type(view.graph())(view.graph().ops[:2], shared=2))
    torch.testing.assert_close(low + 2 * (high - 0.5), plain, atol=2e-6, rtol=0)


def test_a_wider_low_pass_leaves_more_to_the_residual(corpus):
    energy = [pairs(Frequency(size=16, sigma=s), corpus)[1].std().item() for s in (0.3, 0.7, 1.5, 3.0)]
    assert energy == sorted(energy)


def test_a_low_pass_has_the_width_it_says():
    x = torch.zeros(1, 3, 61, 61)
    x[:, :, 30, 30] = 1
    y, places = LowPass(sigma=2.5).apply(x, torch.empty(1))[0, 0].double(), torch.arange(61).double() - 30
    assert y.sum().item() == pytest.approx(1, abs=1e-5)
    assert (y.sum(0) * places.square()).sum().sqrt().item() == pytest.approx(2.5, rel=0.03)


@pytest.mark.parametrize("op", [LowPass(sigma=1.0), HighPass(sigma=1.0)])
def test_what_frequency_keeps_has_a_gradient(op):
    """Pictures are painted through the lens of an encoder."""
    x = torch.rand(1, 3, 16, 16, requires_grad=True)
    op.apply(x, torch.zeros(1, 0)).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    torch.testing.assert_close(
        op.apply(x, torch.zeros(1, 0)), op.apply(x.detach(), torch.zeros(1, 0)), atol=1e-5, rtol=0
    )


def test_jigsaw_shuffles_the_tiles_of_the_second_view_and_of_no_other(corpus):
    view = JigsawView(tiles=4, **QUIET)
    first, second = view.pair()
    assert first == view.graph() == JigsawView(tiles=1, **QUIET).pair()[1]
    assert second.ops == (*first.ops, Jigsaw(tiles=4))
    shuffled, whole = corpus.view(INDEX, second, view=1), corpus.view(INDEX, first, view=1)
    assert not torch.equal(shuffled, whole)
    assert torch.equal(shuffled.flatten(1).sort(1).values, whole.flatten(1).sort(1).values)


def test_tiles_that_do_not_part_a_view_evenly_are_refused():
    with pytest.raises(UserError, match="tiles 3 do not part a view of 16 px evenly") as caught:
        JigsawView(size=16)
    assert "1, 2, 4, 8, 16, or view.size to 15" in caught.value.fix
    assert JigsawView(size=15).tiles == 3
