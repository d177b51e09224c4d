"""Laws of the low-shot probe."""

import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.evaluate.features import Features
from augstudy.evaluate.probes.svm_low_shot import SVMLowShot, some_of_each


def data(n, seed, gap=1.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 4
    return Features({"conv1": torch.randn(n, 20, generator=generator) + gap * torch.eye(20)[labels]}, labels)


def test_k_images_of_each_class_are_drawn_and_a_small_class_gives_what_it_has():
    labels = torch.tensor([0] * 9 + [1] * 9 + [2] * 2)
    assert labels[some_of_each(labels, 4, 0)].bincount().tolist() == [4, 4, 2]
    assert some_of_each(labels, 4, 0).tolist() != some_of_each(labels, 4, 1).tolist()


def test_accuracy_rises_with_the_shots():
    found = [m.value for m in SVMLowShot()(data(400, 0), data(800, 1))]
    assert found[0] < found[2] < found[4]
    assert [m.metric for m in SVMLowShot(shots=(3,))(data(40, 0), data(80, 1))] == ["top1@3/class"]


@pytest.mark.parametrize("wrong", [{"shots": ()}, {"shots": (0,)}, {"shots": (1, 1)}, {"draws": 0}, {"cost": 0.0}])
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        SVMLowShot(**wrong)
