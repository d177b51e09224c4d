"""Laws of an encoding: lossless ones give the pixels back, and the JPEGs are Pillow's own."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from augstudy.core.errors import UserError
from augstudy.data import encoding
from augstudy.data.encoding import Encoding, to_bytes


@pytest.fixture
def crops():
    generator = torch.Generator().manual_seed(0)
    return to_bytes(torch.rand(5, 3, 17, 17, generator=generator) * torch.linspace(0, 1, 17))


def test_floats_are_rounded_and_kept_in_range():
    x = torch.tensor([-0.1, 0.0, 0.4 / 255, 0.6 / 255, 1.0, 1.2]).expand(1, 3, 6, 6)
    assert to_bytes(x)[0, 0, 0].tolist() == [0, 0, 0, 1, 255, 255]
    assert x.min() < 0  # the crops themselves are left alone


@pytest.mark.parametrize("one", [Encoding("png"), Encoding("raw"), Encoding("raw", bare=True)])
def test_lossless_encodings_give_the_pixels_back(crops, one):
    for file, crop in zip(one.encode(crops), crops, strict=True):
        pixels = (
            np.frombuffer(file, np.uint8).reshape(17, 17, 3) if one.bare else np.asarray(Image.open(io.BytesIO(file)))
        )
        assert np.array_equal(pixels, crop.permute(1, 2, 0))


def test_jpegs_are_those_that_pillow_writes(crops, monkeypatch):
    fast = Encoding("jpeg", 75).encode(crops)
    monkeypatch.setattr(encoding, "encode_jpeg", None)
    assert Encoding("jpeg", 75).encode(crops) == fast
    assert sum(map(len, Encoding("jpeg", 95).encode(crops))) > sum(map(len, fast))


def test_a_file_does_not_depend_on_its_batch(crops):
    for name in encoding.ENCODINGS:
        assert Encoding(name).encode(crops)[3:4] == Encoding(name).encode(crops[3:4])


@pytest.mark.parametrize("settings", [{"name": "gif"}, {"quality": 0}, {"quality": 101}])
def test_what_cannot_be_is_refused(settings):
    with pytest.raises(UserError):
        Encoding(**settings)


@pytest.mark.gpu
def test_a_cards_jpegs_show_what_those_of_the_cpu_show(crops):
    ours, theirs = (Encoding("jpeg", 95).encode(x) for x in (crops.cuda(), crops))
    for a, b in zip(ours, theirs, strict=True):
        there, here = (np.asarray(Image.open(io.BytesIO(file)), dtype=float) for file in (a, b))
        assert np.abs(there - here).mean() < 2  # another encoder rounds otherwise
