"""Laws of the embedded set: nothing leaks from training to test, and every call gives the same crops."""

import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.data.datasets import photos
from augstudy.data.datasets.photos import Photos, picture, placement, recolour, regions, turn

SMALL = {"train_per_class": 8, "test_per_class": 4}


def everything(split):
    return split.images(torch.arange(len(split)))


def test_shapes_labels_and_order():
    labelled = Photos(**SMALL).load()
    k = len(labelled.classes)
    assert everything(labelled.train).shape == (8 * k, 3, 32, 32)
    assert everything(labelled.train).dtype == torch.uint8
    assert torch.equal(labelled.test.labels.bincount(), torch.full((k,), 4))


def anew(**settings):
    """The set, cut again although this process has cut it before."""
    photos.cut.cache_clear()
    return Photos(**SMALL, **settings).load()


def test_same_crops_at_every_call_and_others_with_another_seed():
    first, again, other = (anew(seed=s) for s in (0, 0, 1))
    assert first is not again
    assert torch.equal(everything(first.train), everything(again.train))
    assert torch.equal(everything(first.test), everything(again.test))
    assert not torch.equal(everything(first.train), everything(other.train))
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_a_process_cuts_the_same_set_once():
    assert Photos(**SMALL).load() is Photos(**SMALL).load()


def test_more_crops_leave_the_first_ones_as_they_were():
    few, many = (Photos(train_per_class=n, test_per_class=1).load() for n in (3, 9))
    for k in range(len(few.classes)):
        assert torch.equal(few.train.images(torch.arange(3) + 3 * k), many.train.images(torch.arange(3) + 9 * k))


@pytest.mark.parametrize("name", photos.CLASSES)
def test_regions_share_no_pixel(name):
    image = picture(name)
    _, h, w = image.shape
    numbers = torch.arange(h * w).view(1, h, w)
    train, test = regions(numbers)
    assert set(train.flatten().tolist()).isdisjoint(test.flatten().tolist())
    assert min(*train.shape[1:], *test.shape[1:]) >= 100


@pytest.mark.parametrize(("blank", "changed", "kept"), [(0, "train", "test"), (1, "test", "train")])
def test_no_pixel_of_one_region_reaches_crops_of_the_other(monkeypatch, blank, changed, kept):
    before = anew()

    def painted(name):
        image = picture(name).clone()
        regions(image)[blank].fill_(0)
        return image

    monkeypatch.setattr(photos, "picture", painted)
    after = anew()
    photos.cut.cache_clear()  # nobody else wants the painted one
    assert torch.equal(everything(getattr(before, kept)), everything(getattr(after, kept)))
    assert not torch.equal(everything(getattr(before, changed)), everything(getattr(after, changed)))


def test_crops_lie_inside_their_region():
    part = torch.randint(0, 256, (3, 110, 150), dtype=torch.uint8)
    u = torch.rand(500, 3 * photos.CANDIDATES + 2)
    corners = torch.tensor([[0.0, 0, 1], [32, 0, 1], [0, 32, 1], [32, 32, 1]]).T
    xy = placement(part, u, 32) @ corners  # (500, 3, 4)
    assert xy[:, :2].min() >= -0.01
    assert xy[:, 0].max() <= 150.01
    assert xy[:, 1].max() <= 110.01


def test_flat_places_are_avoided():
    part = torch.zeros(3, 100, 400, dtype=torch.uint8)
    part[:, :, 300:] = torch.randint(0, 256, (3, 100, 100), dtype=torch.uint8)
    centres = (placement(part, torch.rand(200, 3 * photos.CANDIDATES + 2), 32) @ torch.tensor([16.0, 16.0, 1.0]))[:, 0]
    assert (centres > 250).float().mean() > 0.8


def test_turning_a_colour_keeps_its_grey_and_its_length():
    x = torch.rand(5, 3, 2, 2)
    y = turn(x, torch.full((5, 1, 1, 1), 1.0))
    torch.testing.assert_close(y.mean(1), x.mean(1))
    torch.testing.assert_close(y.norm(dim=1), x.norm(dim=1))
    third = turn(torch.eye(3)[:1, :, None, None], torch.tensor(2 * torch.pi / 3))
    torch.testing.assert_close(third[0, :, 0, 0], torch.eye(3)[1])  # red -> green


def test_recolour_stays_in_range_and_tints_grey_too():
    grey = torch.rand(1, 1, 8, 8).expand(50, 3, 8, 8)
    y = recolour(grey, torch.rand(50, 6))
    assert 0 <= y.min() <= y.max() <= 1
    assert (y[:, 0] - y[:, 2]).abs().mean() > 0.02


def test_excluded_photographs_are_left_out_and_mistakes_named():
    assert "china" not in Photos(**SMALL, exclude=("china", "A", "my picture.jpg")).load().classes
    with pytest.raises(UserError, match="Did you mean 'retina'"):
        Photos(exclude=("retna",))
    with pytest.raises(UserError, match="leaves 1 photographs"):
        Photos(exclude=photos.CLASSES[1:]).load()
    with pytest.raises(UserError, match="size must lie in"):
        Photos(size=0)
