"""Laws of the corpus: crop i is crop i, inside the image, made as published; and of whole images."""

import hashlib
import pickle
from itertools import pairwise

import pytest
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.v2 import functional as tv

from augstudy.augment.color import ColorJitter
from augstudy.augment.crops import CenterCrop, KeepInside, RandomCrop, RandomResizedCrop
from augstudy.augment.geometry import HorizontalFlip, Rotate, Shear
from augstudy.augment.graph import Graph, compose
from augstudy.augment.sampler import Pyramid
from augstudy.augment.views.standard import Standard
from augstudy.core import rng
from augstudy.data.corpus import Corpus, Recipe, Whole
from augstudy.data.datasets.base import Stored

INDEX = torch.arange(57)
VIEW = Standard(size=24).graph()
PLAIN_VIEW = Standard(size=24, jitter_p=0, gray_p=0, blur_p=0).graph()


def noise(height=97, width=131):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


def waves(height=160, width=240):
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    picture = torch.stack([0.5 + 0.4 * torch.sin(6 * x + a * y + a) for a in (1.0, 4.0, -5.0)])
    return (picture * 255).round().to(torch.uint8)


def white(height=200, width=300):
    return torch.full((3, height, width), 255, dtype=torch.uint8)


def black_share(crops):
    """Share of crops with a black pixel."""
    return (crops.amax(1) == 0).flatten(1).any(1).float().mean().item()


class Crops(Dataset):
    """What a user writes to feed their own trainer."""

    def __init__(self, corpus):
        self.corpus = corpus

    def __len__(self):
        return len(self.corpus)

    def __getitem__(self, i):
        return i, self.corpus.batch(torch.tensor([i]))[0]


# One number, one crop


@pytest.mark.parametrize("view", [None, VIEW], ids=["crop", "view"])
@pytest.mark.parametrize("recipe", [Recipe(count=99, size=32), Recipe(count=99, size=32, border="black", area="log")])
def test_a_crop_is_the_same_bit_for_bit_in_any_batch_and_order(recipe, view):
    corpus = Corpus(noise(), recipe)
    whole = corpus.view(INDEX, view)
    for size in (1, 32):
        assert torch.equal(whole, torch.cat([corpus.view(part, view) for part in INDEX.split(size)]))
    order = rng.permutation(0, "order", len(INDEX))
    assert torch.equal(whole[order], corpus.view(order, view))
    assert torch.equal(whole, Corpus(noise(), recipe).view(INDEX, view))


def test_a_large_crop_does_not_depend_on_threads_or_company():
    corpus = Corpus(noise(), Recipe(count=9, size=224, jitter_p=1))
    threads = torch.get_num_threads()
    try:
        results = []
        for n in (1, 2):
            torch.set_num_threads(n)
            results += [corpus.batch(torch.arange(3))[:1], corpus.batch(torch.tensor([0]))]
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(results[0], other) for other in results[1:])


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_data_loader_workers_give_the_same_crops():
    dataset = Crops(Corpus(noise(), Recipe(count=20, size=32)))
    assert len(dataset) == 20
    hashes = []
    for workers, batch in ((0, 20), (0, 3), (2, 3)):
        loader = DataLoader(dataset, batch_size=batch, num_workers=workers)
        loaded = [(int(i), x) for numbers, crops in loader for i, x in zip(numbers, crops, strict=True)]
        hashes.append({i: hashlib.sha256(x.numpy().tobytes()).hexdigest() for i, x in loaded})
    assert len(set(hashes[0].values())) == 20
    assert hashes[0] == hashes[1] == hashes[2]


def test_a_corpus_pickles_into_the_same_corpus():
    corpus = Corpus(noise(), Recipe(count=20, size=32), seed=3)
    copy = pickle.loads(pickle.dumps(corpus))
    assert torch.equal(corpus.view(INDEX, VIEW, epoch=2, view=1), copy.view(INDEX, VIEW, epoch=2, view=1))
    assert (len(copy), copy.size, copy.recipe) == (20, 32, corpus.recipe)


def test_seed_number_epoch_and_view_give_other_pixels():
    corpus = Corpus(noise(), Recipe(count=99, size=32))
    crops = corpus.batch(INDEX)
    distinct = {x.numpy().tobytes() for x in crops} | {
        x.numpy().tobytes() for x in Corpus(noise(), corpus.recipe, 1).batch(INDEX)
    }
    assert len(distinct) == 2 * len(INDEX)
    views = [corpus.view(INDEX, VIEW, epoch, view) for epoch in (0, 1) for view in (0, 1)]
    assert len({x.numpy().tobytes() for batch in views for x in batch}) == 4 * len(INDEX)


def test_the_crops_of_an_epoch_are_those_of_every_epoch():
    """Only the view is drawn anew: the corpus is a fixed set of crops."""
    corpus = Corpus(noise(), Recipe(count=99, size=32))
    assert torch.equal(corpus.view(INDEX, None, epoch=5, view=1), corpus.batch(INDEX))


def test_memory_does_not_grow_with_the_count():
    few, many = (Corpus(noise(), Recipe(count=n, size=32)) for n in (10, 10**12))
    assert len(pickle.dumps(many)) < len(pickle.dumps(few)) + 100
    last = torch.tensor([10**12 - 1])
    assert many.batch(last).shape == (1, 3, 32, 32)
    assert not torch.equal(many.batch(last), many.batch(last - 2**32))


def test_held_out_crops_have_numbers_that_are_never_trained_on():
    corpus = Corpus(noise(), Recipe(count=20, size=32))
    held = corpus.held_out(7)
    assert len(held) == 7
    assert set(held.tolist()).isdisjoint(range(len(corpus)))
    pixels = {x.numpy().tobytes() for x in corpus.batch(held)}
    assert pixels.isdisjoint(x.numpy().tobytes() for x in corpus.batch(torch.arange(20)))
    assert corpus.labels(held) is None


# Views


def test_a_composed_view_is_the_view_of_the_crop_on_a_smooth_image():
    """Up to 1.5 grey levels, the blur of the second resampling that the composed view is spared."""
    corpus = Corpus(waves(), Recipe(count=99, size=64, scale=(0.1, 1.0), jitter_p=0))
    composed = corpus.view(INDEX, PLAIN_VIEW, epoch=1, view=1)
    crops = Pyramid(corpus.batch(INDEX))
    twice = PLAIN_VIEW(crops, PLAIN_VIEW.sample(corpus.seed, "view", INDEX, 1, 1))
    assert (composed - twice).abs().max() < 1.5 / 255


def test_the_crops_colour_stays_under_its_views():
    """Steps that look at one pixel only; contrast, overtaken by a view, pulls towards the mean of the view."""
    corpus = Corpus(waves(), Recipe(count=99, size=64, scale=(0.1, 1.0), jitter_p=1, contrast=0, hue=0))
    composed = corpus.view(INDEX, PLAIN_VIEW)
    twice = PLAIN_VIEW(Pyramid(corpus.batch(INDEX)), PLAIN_VIEW.sample(corpus.seed, "view", INDEX))
    assert (composed - twice).abs().max() < 3 / 255  # the 1.5 of above, times 1.4 twice


def test_a_view_has_its_own_size_and_range():
    corpus = Corpus(noise(), Recipe(count=99, size=32))
    y = corpus.view(INDEX, VIEW)
    assert y.shape == (57, 3, 24, 24)
    assert y.dtype == torch.float32
    assert y.min() >= 0
    assert y.max() <= 1 + 1e-6


# The recipe


def test_the_order_of_the_ops_is_the_scripts():
    assert Recipe().graph().ops == (
        RandomCrop(fraction=0.5),
        RandomResizedCrop(size=362, scale=(0.002, 1.0), attempts=32),
        Shear(degrees=30.0),
        Rotate(degrees=30.0),
        CenterCrop(size=256),
        HorizontalFlip(0.5),
        KeepInside(),
        ColorJitter(0.5, 0.4, 0.4, 0.4, 0.1),
    )


def test_slant_and_turn_compose_as_random_affine():
    ops = [op for op in Recipe().graph().ops if isinstance(op, Rotate | Shear)]
    params = {Rotate: torch.tensor([25.0]), Shear: torch.tensor([-20.0])}
    draws = [d.__class__(torch.tensor([True]), params[type(op)]) for op, d in zip(ops, sample(ops), strict=True)]
    x = waves(64, 64)[None].float() / 255
    matrix, size = compose(list(zip(ops, draws, strict=True)), (64, 64))
    ours = Pyramid(x).warp(matrix, size, antialias=False)
    theirs = tv.affine(x, -25, [0, 0], 1.0, [-20.0, 0], tv.InterpolationMode.BILINEAR)  # clockwise positive
    middle = (..., slice(20, 44), slice(20, 44))
    assert (ours - theirs)[middle].abs().max() < 1e-4


def sample(ops):
    return Graph(tuple(ops)).sample(0, "test", torch.tensor([0]))


def test_what_can_never_act_is_left_out():
    recipe = Recipe(initial_crop=0, enlarge=1, rotation=0, shear=0, flip_p=0, jitter_p=0, border="reflect")
    assert [type(op) for op in recipe.graph().ops] == [RandomResizedCrop]


@pytest.mark.parametrize("shape", [(200, 300), (97, 61)])
def test_a_valid_border_has_no_black_pixel_and_a_black_one_has(shape):
    index = torch.arange(300)
    crops = {
        border: Corpus(white(*shape), Recipe(count=1, size=32, jitter_p=0, rotation=45, initial_crop=0, border=border))
        for border in ("valid", "reflect", "black")
    }
    for border in ("valid", "reflect"):
        assert (crops[border].batch(index) > 1 - 1e-5).all()
    assert 0.01 < black_share(crops["black"].batch(index)) < 1


def test_a_valid_border_mirrors_nothing():
    """A ramp stays a ramp: all rows of an unturned crop rise with constant steps."""
    ramp = torch.arange(200).expand(3, 150, 200).to(torch.uint8)
    recipe = Recipe(
        count=1, size=16, jitter_p=0, rotation=0, flip_p=0, initial_crop=0, scale=(0.2, 1.0), antialias=False
    )
    steps = Corpus(ramp, recipe).batch(torch.arange(200)).diff(dim=3)[..., 1:-1]  # bilinear is flat at the very edge
    assert (steps > 0).all()
    assert (steps.amax(3) - steps.amin(3)).max() < 1e-3


@pytest.mark.parametrize("shape", [(33, 47), (47, 33), (64, 64), (9, 200)])
def test_any_image_gives_crops(shape):
    y = Corpus(noise(*shape), Recipe(count=9, size=16)).batch(torch.arange(9))
    assert y.shape == (9, 3, 16, 16)
    assert torch.isfinite(y).all()


def test_smaller_scales_show_less_of_the_image():
    """Measured on a ramp: the spread of a crop grows with the area it shows."""
    ramp = torch.arange(200).expand(3, 200, 200).to(torch.uint8)
    spread = []
    for low, high in pairwise((0.002, 0.01, 0.1, 0.5)):
        recipe = Recipe(count=1, size=16, jitter_p=0, rotation=0, shear=0, initial_crop=0, scale=(low, high))
        spread.append(Corpus(ramp, recipe).batch(torch.arange(200)).std((2, 3)).mean().item())
    assert spread == sorted(spread)
    assert spread[0] < spread[-1] / 3


# Whole images


@pytest.fixture
def split():
    generator = torch.Generator().manual_seed(1)
    return Stored(torch.randint(0, 256, (50, 3, 32, 32), generator=generator, dtype=torch.uint8), torch.arange(50) % 10)


def test_the_reserve_is_never_trained_on(split):
    whole = Whole(split, 32, reserve=4)
    assert len(whole) == 46
    assert whole.held_out(100).tolist() == [46, 47, 48, 49]
    assert whole.held_out(2).tolist() == [46, 47]
    assert len(Whole(split, 32)) == 45  # a tenth at most, so that a small set is still trained on


def test_labels_and_images_keep_together(split):
    whole, index = Whole(split, 32), torch.tensor([7, 0, 33])
    place = whole.order[index]
    assert torch.equal(whole.labels(index), split.labels[place])
    assert torch.equal((whole.batch(index) * 255).round().to(torch.uint8), split.pixels[place])
    assert torch.equal((whole.view(index, Graph(())) * 255).round().to(torch.uint8), split.pixels[place])


def test_a_set_sorted_by_class_keeps_every_class_in_training(split):
    by_class = Stored(split.pixels, split.labels.sort().values)
    whole = Whole(by_class, 32)
    assert len(whole.labels(torch.arange(len(whole))).unique()) == 10


def test_views_of_whole_images_do_not_depend_on_their_batch(split):
    whole, index = Whole(split, 32, seed=2), torch.arange(20)
    together = whole.view(index, VIEW, epoch=1, view=1)
    assert torch.equal(together, torch.cat([whole.view(i[None], VIEW, 1, 1) for i in index]))
    assert not torch.equal(together, whole.view(index, VIEW, 2, 1))
    assert not torch.equal(together, whole.view(index, VIEW, 1, 0))
    draws = VIEW.sample(2, "view", index, 1, 1)
    assert torch.equal(together, VIEW(Pyramid(split.pixels[whole.order[index]]), draws))


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["one image", "a split", "whole"])
def test_making_crops_and_views_never_waits_for_the_card(kind, split):
    cuda, recipe = torch.device("cuda"), Recipe(count=64, size=32, initial_crop=0, scale=(0.5, 1))
    images = noise() if kind == "one image" else split
    source = Whole(split, 32, device=cuda) if kind == "whole" else Corpus(images, recipe, device=cuda)
    index, view = torch.arange(40), Standard(size=24).graph()
    source.view(index, view)  # levels of the pyramid are made once
    torch.cuda.set_sync_debug_mode("error")
    try:
        source.batch(index)
        source.view(index, view, epoch=1)
        source.labels(index)
    finally:
        torch.cuda.set_sync_debug_mode("default")
