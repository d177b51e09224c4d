"""Online monitors look and change nothing."""

from dataclasses import replace

import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.data.datasets.base import Labelled
from augstudy.evaluate.monitor import Monitor, Watch
from augstudy.learn.backbones.base import fingerprint
from augstudy.learn.backbones.conv4 import Conv4

COLUMNS = ("monitor_knn", "monitor_linear")


class Sealed:
    """A split that nobody may look at."""

    labels = torch.zeros(3, dtype=torch.long)

    def __len__(self):
        return 3

    def images(self, index):
        raise AssertionError("a test image was looked at")


@pytest.fixture
def data(split):
    return Labelled("toy", split, Sealed(), ("a", "b", "c"), "", "0")


def test_a_training_that_is_watched_is_the_same_to_the_bit(training, data):
    alone, _ = training("moco", folder="alone")(lambda *_: None)
    watched = training("moco", folder="watched")
    watched = replace(watched, look=Watch(Monitor(every=1, train=40, judged=20), data, watched.method.epochs))
    encoder, _ = watched(lambda *_: None)
    assert fingerprint(encoder) == fingerprint(alone)
    header, *lines = watched.folder.metrics.read_text().splitlines()
    assert set(COLUMNS) <= set(header.split(","))
    place = header.split(",").index("monitor_knn")
    assert all(0 <= float(line.split(",")[place]) <= 100 for line in lines)


def test_it_looks_every_so_many_epochs_and_after_the_last(data):
    encoder = Conv4(width=0.125).encoder()
    watch = Watch(Monitor(every=3, train=40, judged=20), data, epochs=7)
    assert [bool(watch(epoch, encoder)) for epoch in range(1, 8)] == [False, False, True, False, False, True, True]
    assert not any(Watch(Monitor(), data, 7)(epoch, encoder) for epoch in range(1, 8))


def test_what_can_be_told_is_seen_and_the_encoder_is_left_in_its_mode(data):
    torch.manual_seed(0)
    encoder = Conv4(width=0.125).encoder().train()
    before = fingerprint(encoder)
    found = Watch(Monitor(every=1, train=40, judged=20, k=5), data, 1)(1, encoder)
    assert set(found) == set(COLUMNS)
    assert min(found.values()) > 60  # of three brightnesses
    assert fingerprint(encoder) == before
    assert encoder.training


@pytest.mark.parametrize("wrong", [{"every": -1}, {"train": 0}, {"judged": 0}, {"k": 0}, {"temperature": 0.0}])
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Monitor(**wrong)
