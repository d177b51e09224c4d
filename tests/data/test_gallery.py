"""Laws of a corpus of many images: fair shares, one number one crop, whatever the workers, the batch and the memory."""

import hashlib
import multiprocessing
import pickle

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from augstudy.augment.views.standard import Standard
from augstudy.core.errors import UserError
from augstudy.data.corpus import Corpus, Recipe
from augstudy.data.datasets.base import Stored
from augstudy.data.gallery import Loose, Stacked, gallery

SHAPES = ((40, 60), (64, 48), (33, 33))
PLAIN = Recipe(count=57, size=16, jitter_p=0)


def plain(shape, value):
    return torch.full((3, *shape), value, dtype=torch.uint8)


def noise(shape, seed):
    return torch.randint(0, 256, (3, *shape), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


@pytest.fixture
def pictures():
    return [noise(shape, seed) for seed, shape in enumerate(SHAPES)]


@pytest.fixture
def files(pictures, tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(path)
    return paths


@pytest.fixture
def split():
    return Stored(torch.stack([noise((32, 32), seed) for seed in range(10)]), torch.zeros(10, dtype=torch.long))


def hashes(loader):
    return [hashlib.sha256(x.numpy().tobytes()).hexdigest() for batch in loader for x in batch]


@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes:UserWarning")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_and_batch_sizes_give_the_same_crops_by_hash(files, start):
    corpus = Corpus(files, Recipe(count=57, size=16))
    expected = hashes([corpus.batch(torch.arange(57))])
    assert len(set(expected)) == 57
    settings = [(0, 1), (0, 32), (0, 57), (1, 32), (4, 1), (4, 57)] if start == "fork" else [(1, 32)]
    for workers, batch in settings:
        context = multiprocessing.get_context(start) if workers else None
        loader = DataLoader(corpus, batch, num_workers=workers, multiprocessing_context=context)
        assert hashes(loader) == expected, (workers, batch)


def test_every_image_gives_its_share_whatever_the_count():
    corpus = Corpus([plain(shape, 60 * i) for i, shape in enumerate(SHAPES)], PLAIN)
    shown = corpus.batch(torch.arange(len(corpus))).mean((1, 2, 3)).mul(255 / 60).round()
    assert shown.tolist() == [i % 3 for i in range(57)]
    assert len(Corpus([plain((40, 40), 0)] * 1000, Recipe(count=50))) == 50  # constant size, also below N


@pytest.mark.parametrize("view", [None, Standard(size=24).graph()], ids=["crop", "view"])
def test_a_crop_of_many_images_is_the_crop_of_its_image(pictures, view):
    index = torch.tensor([7, 0, 33, 33, 2, 50])
    many = Corpus(pictures, Recipe(count=57, size=16), seed=3).view(index, view, epoch=1, view=1)
    for i, x in zip(index, many, strict=True):
        one = Corpus(pictures[int(i) % 3], Recipe(count=57, size=16), seed=3)
        assert torch.equal(one.view(i[None], view, 1, 1)[0], x)


def test_paths_tensors_and_a_split_of_the_same_images_give_the_same_crops(files, pictures, split):
    index = torch.arange(20)
    recipe = Recipe(count=20, size=16)
    assert torch.equal(Corpus(files, recipe).batch(index), Corpus(pictures, recipe).batch(index))
    stacked = Corpus(split, recipe)
    assert isinstance(stacked.gallery, Stacked)
    assert stacked.labels(index) is None
    assert torch.equal(stacked.batch(index), Corpus(list(split.pixels), recipe).batch(index))


def test_memory_for_pyramids_is_bounded_and_changes_no_pixel(pictures):
    index = torch.arange(12)
    tight, ample = Loose(pictures, keep=1), Loose(pictures)
    crops = [Corpus(images, Recipe(count=12, size=16)).batch(index) for images in (tight, ample)]
    assert torch.equal(*crops)
    assert (len(tight.kept), len(ample.kept)) == (1, 3)


def test_a_pickled_gallery_of_files_carries_no_pixels(files):
    corpus = Corpus(files, PLAIN)
    crops = corpus.batch(torch.arange(9))
    text = pickle.dumps(corpus)
    assert len(text) < 2000
    assert torch.equal(pickle.loads(text).batch(torch.arange(9)), crops)


def test_images_are_read_when_they_are_needed(files):
    files[2].write_bytes(b"no image")
    corpus = Corpus(files, PLAIN)
    assert corpus.batch(torch.tensor([0, 1, 3])).shape == (3, 3, 16, 16)
    with pytest.raises(UserError, match=r"2\.png"):
        corpus.batch(torch.tensor([2]))


def test_no_image_is_an_error():
    with pytest.raises(UserError, match="no images"):
        gallery([])


def test_a_number_outside_the_corpus_is_an_index_error(pictures):
    corpus = Corpus(pictures, PLAIN)
    for i in (-1, 57):
        with pytest.raises(IndexError, match="of a corpus of 57"):
            corpus[i]
    assert sum(1 for _ in corpus) == 57
