"""What every labelled set obeys: splits, fallback, settings."""

import pickle

import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.data.datasets import cifar10
from augstudy.data.datasets.base import Decoded, Stored, fit, load

SMALL = {"train_per_class": 6, "test_per_class": 3}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no network in tests")

    monkeypatch.setattr(cifar10, "CIFAR10", refuse)


class Counting:
    """Sample i is a constant image of value i; remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, i: int) -> torch.Tensor:
        self.asked.append(i)
        return torch.full((3, 4, 4), i, dtype=torch.uint8)


@pytest.mark.parametrize("threads", [1, 3])
def test_decoded_split_decodes_what_is_asked_and_once(threads):
    decode = Counting()
    split = Decoded(decode, torch.arange(10), size=4, threads=threads)
    assert len(split) == 10
    index = torch.tensor([7, 2, 7, 0])
    for _ in range(2):
        assert torch.equal(split.images(index)[:, 0, 0, 0], index.to(torch.uint8))
    assert sorted(decode.asked) == [0, 2, 7]
    assert split.images(torch.tensor([], dtype=torch.int64)).shape == (0, 3, 4, 4)


def test_large_split_is_not_kept(monkeypatch):
    monkeypatch.setattr("augstudy.data.datasets.base.KEEP_BYTES", 100)
    decode = Counting()
    split = Decoded(decode, torch.arange(10), size=4)
    for _ in range(2):
        split.images(torch.tensor([3]))
    assert decode.asked == [3, 3]
    assert split.images(torch.tensor([], dtype=torch.int64)).shape == (0, 3, 4, 4)


def test_splits_can_be_sent_to_workers():
    split = pickle.loads(pickle.dumps(Decoded(Counting(), torch.arange(3), size=4)))
    assert split.images(torch.tensor([2])).max() == 2
    assert len(pickle.loads(pickle.dumps(Stored(torch.zeros(2, 3, 4, 4), torch.zeros(2))))) == 2


@pytest.mark.parametrize("shape", [(40, 80), (80, 40), (16, 9), (32, 32)])
def test_fit_gives_a_square_from_the_centre(shape):
    x = torch.zeros(3, *shape, dtype=torch.uint8)
    h, w = shape
    x[:, h // 4 : h - h // 4, w // 4 : w - w // 4] = 255
    y = fit(x, 32)
    assert y.shape == (3, 32, 32)
    assert y.dtype == torch.uint8
    assert y[0, 16, 16] == 255


def test_without_fallback_an_unobtainable_set_is_an_error():
    with pytest.raises(UserError, match=r"CIFAR-10 is not in .*no network in tests"):
        load("cifar10")


def test_fallback_is_used_and_said():
    labelled = load("cifar10", "photos", {"exclude": ["retina"], "size": 16, **SMALL})
    assert labelled.name == "photos"
    assert labelled.label == "photos (fallback for cifar10)"
    assert "retina" not in labelled.classes
    assert labelled.train.images(torch.tensor([0])).shape == (1, 3, 16, 16)


def test_set_that_can_be_had_has_its_own_label():
    assert load("photos", "folder", SMALL).label == "photos"


def test_root_is_not_handed_to_the_fallback(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match="root is not set"):
        load("cifar10", "folder", {"root": str(tmp_path)})


@pytest.mark.parametrize(
    ("name", "fallback", "node", "what"),
    [
        ("cifar10", "photos", {"sise": 32}, "Did you mean 'size'"),
        ("cifar10", "fotos", {}, "Did you mean 'photos'"),
        ("cifar", "photos", {}, "Did you mean 'cifar10'"),
        ("cifar10", "photos", {"size": "big"}, "size"),
    ],
)
def test_mistakes_are_errors_whatever_the_fallback(name, fallback, node, what):
    with pytest.raises(UserError, match=what):
        load(name, fallback, node)
