"""Laws of blank pictures: noise, in the place and with the borders of what they stand for."""

import pytest
import torch

from augstudy.augment.views.standard import Standard
from augstudy.data.blank import Noise, blank
from augstudy.data.corpus import Corpus, Recipe, Whole
from augstudy.data.datasets.base import Stored

INDEX = torch.arange(40)
PLAIN = Standard(size=16, jitter_p=0, gray_p=0, blur_p=0).graph()
RECIPE = Recipe(count=64, size=24, initial_crop=0, scale=(0.5, 1), border="black", enlarge=1, jitter_p=0)


def white(height=90, width=150):
    return torch.full((3, height, width), 255, dtype=torch.uint8)


@pytest.mark.parametrize("graph", [None, PLAIN], ids=["crop", "view"])
def test_borders_of_a_corpus_are_where_they_were(graph):
    corpus = Corpus(white(), RECIPE, seed=3)
    border = corpus.view(INDEX, graph).eq(0).all(1)  # (B, h, w)
    shown = blank(corpus).view(INDEX, graph).eq(0).all(1)
    assert border.any()
    assert shown[border].all()
    assert shown.sum() <= border.sum() + 5  # noise itself is hardly ever black


def test_a_blank_corpus_is_a_function_of_the_source():
    corpus = Corpus(white(), RECIPE, seed=3)
    again, other = (blank(Corpus(white(), RECIPE, seed=seed)).batch(INDEX) for seed in (3, 4))
    assert torch.equal(blank(corpus).batch(INDEX), again)
    assert not torch.equal(again, other)
    assert len(blank(corpus)) == len(corpus)


def test_whole_images_become_as_many_blank_ones_of_their_size():
    whole = Whole(Stored(white(32, 32).expand(60, -1, -1, -1), torch.arange(60)), 32, reserve=12)
    index = whole.held_out(12)
    pixels = blank(whole).view(index)
    assert pixels.shape == (len(index), 3, 32, 32)
    assert torch.equal(blank(whole).labels(index), whole.labels(index))
    assert len(pixels.flatten(1).unique(dim=0)) == len(index)


def test_several_images_become_one():
    assert len(blank(Corpus([white(), white(50, 60)], RECIPE)).gallery) == 1


def test_noise_is_uniform_over_all_values_and_independent_of_the_batch():
    noise = Noise(torch.zeros(9, dtype=torch.long), (40, 50))
    pixels = noise.images(torch.arange(9))
    counts = pixels.flatten().bincount(minlength=256)
    assert counts.min() > 0.7 * pixels.numel() / 256
    assert torch.equal(noise.images(torch.tensor([4]))[0], pixels[4])
