"""Whatever a user gives as an index is understood, or refused in words that say what is wrong."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from augstudy.augment.views.standard import Standard
from augstudy.core.errors import UserError
from augstudy.data.corpus import Corpus, Recipe, Whole
from augstudy.data.numbers import numbered

VIEW = Standard(size=8).graph()


@pytest.fixture
def corpus(picture):
    return Corpus(picture, Recipe(count=9, size=16))


@pytest.fixture(params=["one image", "several", "a split", "whole"])
def source(request, picture, split):
    if request.param == "whole":
        return Whole(split, 32)
    images = {"one image": picture, "several": [picture, picture[:, :50]], "a split": split}[request.param]
    return Corpus(images, Recipe(count=9, size=16))


@pytest.mark.parametrize(
    "given",
    [[3, 0], (3, 0), range(3, -3, -3), np.array([3, 0], np.uint8), torch.tensor([3, 0], dtype=torch.int16)],
    ids=["list", "tuple", "range", "array", "int16"],
)
def test_any_list_of_whole_numbers_is_an_index(source, given):
    assert torch.equal(numbered(given), torch.tensor([3, 0]))
    assert torch.equal(source.batch(given), source.batch(torch.tensor([3, 0])))
    assert torch.equal(source.view(given, VIEW), source.view(torch.tensor([3, 0]), VIEW))


@pytest.mark.parametrize("given", [[], range(0), torch.arange(0), np.array([])], ids=["list", "range", "int", "array"])
def test_an_empty_index_gives_an_empty_batch_of_the_right_shape(source, given):
    assert source.batch(given).shape == (0, *source.batch([0]).shape[1:])
    assert source.view(given, VIEW).shape == (0, 3, 8, 8)
    assert source.view(given, VIEW).dtype == torch.float


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (torch.zeros(2, 3, dtype=torch.long), r"\(2, 3\)"),
        (torch.tensor(4), r"shape \(\)"),
        (4, r"shape \(\)"),
        ([[1, 2], [3]], "list of whole numbers"),
        (torch.tensor([1.0]), "torch.float32"),
        ([0.5], "torch.float32"),
        (torch.tensor([True, False]), "torch.bool"),
        ("abc", "str"),
        (None, "NoneType"),
        (["a"], "list of whole numbers"),
    ],
    ids=repr,
)
def test_what_is_no_index_is_a_type_error_that_says_so(source, given, words):
    for call in (source.batch, lambda index: source.view(index, VIEW), source.readings):
        with pytest.raises(TypeError, match=words):
            call(given)


def test_a_negative_number_is_no_crop(source):
    with pytest.raises(IndexError, match="number -1 is negative"):
        source.batch([0, -1])


def test_a_set_read_as_it_is_ends_with_its_last_image(split):
    whole = Whole(split, 32)
    assert whole.batch([59]).shape == (1, 3, 32, 32)
    for call in (whole.batch, whole.labels):
        with pytest.raises(IndexError, match="number 60 is not below 60"):
            call([60])


def test_crops_go_on_beyond_the_last_of_a_corpus_and_a_data_set_does_not(corpus):
    assert torch.equal(corpus.batch(corpus.held_out(2)), corpus.batch([9, 10]))
    for i in (9, -1):
        with pytest.raises(IndexError, match=f"crop {i} of a corpus of 9"):
            corpus[i]
    assert len(list(corpus)) == 9  # a loop over a sequence ends at the first IndexError
    assert [len(batch) for batch in DataLoader(corpus, batch_size=4)] == [4, 4, 1]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rotation": "a"}, "rotation must be a number, got 'a'"),
        ({"rotation": None}, "rotation must be a number, got None"),
        ({"rotation": True}, "rotation must be a number, got True"),
        ({"count": 2.5}, "count must be a whole number, got 2.5"),
        ({"size": "32"}, "size must be a whole number, got '32'"),
        ({"scale": 0.5}, "scale must be a list, each entry a number, got 0.5"),
        ({"scale": (0.1, "b")}, "scale must be a list, each entry a number"),
        ({"scale": (0.1,)}, "scale must be two numbers"),
        ({"antialias": "no"}, "antialias must be true or false, got 'no'"),
        ({"border": 3}, "border must be a word, got 3"),
        ({"rotation": float("nan")}, "rotation must lie in"),
    ],
    ids=str,
)
def test_a_setting_of_another_kind_is_refused_when_the_recipe_is_made(wrong, words):
    with pytest.raises(UserError, match=words) as caught:
        Recipe(**wrong)
    assert caught.value.fix


def test_numbers_of_numpy_are_numbers():
    assert Recipe(rotation=np.float32(3), count=np.int64(5)).graph()
