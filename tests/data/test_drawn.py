"""Laws of drawing images: keyed, nested, named by their content."""

import shutil

import pytest
import torch
from PIL import Image

from augstudy.core.errors import UserError
from augstudy.data.corpus import Corpus, Recipe
from augstudy.data.datasets.base import Labelled
from augstudy.data.drawn import from_folder, from_split

RECIPE = Recipe(count=40, size=16, initial_crop=0, scale=(0.5, 1))


@pytest.fixture
def labelled(split):
    return Labelled("toy", split, split, ("a", "b", "c"), "", "fingerprint")


@pytest.fixture
def folder(split, tmp_path):
    """Sixty pictures, some in a subfolder, and a file that is none."""
    for i in range(60):
        path = tmp_path / "set" / ("deep" if i % 3 else ".") / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(split.pixels[i].permute(1, 2, 0).numpy()).save(path)
    (tmp_path / "set" / "notes.txt").write_text("no picture")
    return tmp_path / "set"


def test_of_one_seed_fewer_images_are_the_first_of_more(labelled):
    ten, twenty = (from_split(labelled, n, 5).names for n in (10, 20))
    assert twenty[:10] == ten
    assert len(set(twenty)) == 20
    assert set(from_split(labelled, None, 5).names) == set(range(60))


def test_another_seed_draws_other_images(labelled):
    assert set(from_split(labelled, 10, 0).names) != set(from_split(labelled, 10, 1).names)


def test_a_drawn_part_has_the_pixels_and_labels_of_its_numbers(labelled, split):
    drawn = from_split(labelled, 7, 2)
    numbers = torch.tensor(drawn.names)
    assert len(drawn.images) == 7
    assert torch.equal(drawn.images.images(torch.arange(7)), split.pixels[numbers])
    assert torch.equal(drawn.images.labels, split.labels[numbers])


def test_every_drawn_image_gives_its_share_of_the_crops(labelled, split):
    drawn = from_split(labelled, 4, 0)
    corpus = Corpus(drawn.images, RECIPE)
    assert len(corpus) == 40
    for i in range(4):  # crop i is cut from the image drawn as number i mod 4
        alone = Corpus(split.pixels[drawn.names[i]], RECIPE)
        index = torch.arange(i, 40, 4)
        assert torch.equal(corpus.batch(index), alone.batch(index))


def test_content_names_the_pixels_in_their_order(labelled):
    contents = {from_split(labelled, n, seed).content for n, seed in ((10, 0), (11, 0), (10, 1))}
    assert len(contents) == 3
    assert from_split(labelled, 10, 0).content == from_split(labelled, 10, 0).content
    other = Labelled("toy", labelled.train, labelled.test, labelled.classes, "", "another")
    assert from_split(other, 10, 0).content != from_split(labelled, 10, 0).content


def test_what_was_drawn_is_told(labelled):
    drawn = from_split(labelled, 3, 0)
    assert drawn.label == "3 images of toy"
    assert drawn.facts(40) == {"origin": "toy", "total": 60, "images": list(drawn.names), "seen": 3}
    whole = from_split(labelled, None, 0)
    assert whole.label == "all images of toy"
    assert whole.facts(60)["images"] == "all"


def test_fewer_crops_than_images_see_some_of_them_by_the_seed_and_it_is_told(labelled, split):
    """Not the first of the set: those at the head of an order that is keyed by the seed."""
    seen = []
    for seed in (0, 1):
        drawn = from_split(labelled, None, seed)
        assert drawn.unseen(60) == drawn.unseen(61) == ""
        assert drawn.unseen(40) == "40 of 60 images are seen (corpus.count)"
        assert (drawn.facts(40)["seen"], drawn.facts(60)["seen"]) == (40, 60)
        crops = Corpus(drawn.images, RECIPE).batch(torch.arange(40))
        alone = [Corpus(split.pixels[drawn.names[i]], RECIPE).batch(torch.tensor([i]))[0] for i in range(40)]
        assert torch.equal(crops, torch.stack(alone))
        seen.append(set(drawn.names[:40]))
    assert seen[0] != seen[1]
    assert all(len(numbers) == 40 and max(numbers) >= 40 for numbers in seen)


def test_a_folder_is_drawn_from_alike(folder):
    ten, twenty = (from_folder(folder, n, 5) for n in (10, 20))
    assert twenty.names[:10] == ten.names
    assert all((folder / name).is_file() and name.endswith(".png") for name in ten.names)
    assert len(from_folder(folder, None, 5).names) == 60
    assert Corpus(ten.images, RECIPE).batch(torch.arange(12)).shape == (12, 3, 16, 16)


def test_the_content_of_files_counts_and_their_place_does_not(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    before = from_folder(copy, 10, 0)
    assert before.content == from_folder(folder, 10, 0).content
    first = copy / before.names[0]
    Image.open(first).rotate(180).save(first)
    assert from_folder(copy, 10, 0).content != before.content


@pytest.mark.parametrize("count", [61, 1000])
def test_more_images_than_there_are_is_an_error_that_says_how_many(labelled, folder, count):
    for call in (lambda: from_split(labelled, count, 0), lambda: from_folder(folder, count, 0)):
        with pytest.raises(UserError, match="which has 60"):
            call()


def test_a_folder_that_is_not_there_or_empty_is_told(tmp_path):
    with pytest.raises(UserError, match="no folder"):
        from_folder(tmp_path / "nowhere", 1, 0)
    with pytest.raises(UserError, match="no image"):
        from_folder(tmp_path, None, 0)
