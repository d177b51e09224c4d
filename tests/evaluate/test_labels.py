"""Labels and splits that would make a probe's number mean nothing are found before anything is trained."""

import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.data.datasets.base import Labelled, Stored
from augstudy.evaluate.features import Extraction
from augstudy.evaluate.labels import check_labels, overlap


def labelled(split, train=slice(0, 40), test=slice(40, 60), **changes):
    labels = changes.get("labels", split.labels)
    parts = [Stored(split.pixels[part], labels[part]) for part in (train, test)]
    return Labelled("toy", *parts, ("a", "b", "c"), "", "0")


def test_good_labels_are_let_pass(split):
    assert check_labels(labelled(split), Extraction()) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": torch.zeros(60, dtype=torch.long)}, ["one label, 0"]),
        ({"labels": torch.cat((torch.arange(58) % 3, torch.tensor([-1, -1])))}, ["2 test images have no label", "18"]),
        ({"labels": torch.cat((torch.tensor([-1]), torch.arange(59) % 3))}, ["1 training images", "image 0"]),
        ({"test": slice(0, 0)}, ["no test images"]),
        ({"train": slice(0, 0)}, ["no training images"]),
    ],
)
def test_what_is_wrong_is_named(split, changes, words):
    with pytest.raises(UserError) as caught:
        check_labels(labelled(split, **changes), Extraction())
    assert all(word in caught.value.what for word in ["probe_data toy", *words])


def test_only_images_that_are_used_are_looked_at(split):
    labels = torch.cat((torch.zeros(40, dtype=torch.long), torch.arange(20) % 3))
    labels[7] = 1
    with pytest.raises(UserError, match="one label"):
        check_labels(labelled(split, labels=labels), Extraction(train=1))


def test_classes_that_only_the_test_has_are_counted(split):
    labels = torch.cat((torch.arange(40) % 2, torch.arange(20) % 4))
    (note,) = check_labels(labelled(split, labels=labels), Extraction())
    assert note.startswith("10 test images of toy are of 2 classes")


def test_images_in_both_splits_are_counted(split):
    assert overlap(labelled(split), Extraction()) == []
    (note,) = overlap(labelled(split, test=slice(35, 60)), Extraction())
    assert note.startswith("5 of 25 test images of toy are identical")


def test_a_process_looks_at_the_images_of_a_set_once(split):
    blank = Stored(torch.zeros_like(split.pixels), split.labels)  # all alike, which only who looks would see
    assert overlap(labelled(split), Extraction()) == []
    assert overlap(labelled(blank), Extraction()) == []
