"""Laws of accuracy against the share of labels."""

import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.evaluate.features import Features
from augstudy.evaluate.probes.linear import Linear
from augstudy.evaluate.probes.low_label import LowLabel, stratified


def data(n, seed, dims=20, classes=4, gap=0.8):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    return Features({"conv1": torch.randn(n, dims, generator=generator) + gap * torch.eye(dims)[labels]}, labels)


@pytest.mark.parametrize(("share", "each"), [(0.01, 1), (0.1, 3), (0.5, 15), (1.0, 30)])
def test_every_class_keeps_its_share_and_one_image_at_least(share, each):
    labels = torch.arange(120) % 4
    kept = stratified(labels, share, 0)
    assert labels[kept].bincount().tolist() == [each] * 4
    assert torch.equal(kept, kept.unique())


def test_a_class_of_one_image_is_kept():
    labels = torch.tensor([0] * 50 + [1])
    assert set(labels[stratified(labels, 0.02, 0)].tolist()) == {0, 1}


def test_draws_differ_and_the_more_labels_hold_the_fewer():
    labels = torch.arange(400) % 4
    few, more, other = stratified(labels, 0.1, 0), stratified(labels, 0.2, 0), stratified(labels, 0.1, 1)
    assert set(few.tolist()) < set(more.tolist())
    assert set(few.tolist()) != set(other.tolist())


def test_accuracy_rises_with_the_labels_and_ends_at_the_linear_probes():
    train, test = data(400, 0), data(1000, 1)
    found = {m.metric: m.value for m in LowLabel()(train, test)}
    assert list(found) == ["top1@1%", "top1@2%", "top1@5%", "top1@10%", "top1@20%", "top1@50%", "top1@100%"]
    assert found["top1@1%"] < found["top1@10%"] < found["top1@100%"]
    assert found["top1@100%"] == Linear()(train, test)[0].value


def test_more_draws_are_averaged():
    train, test = data(400, 0), data(500, 1)
    one, many = (LowLabel(percents=(5.0,), draws=n)(train, test)[0] for n in (1, 4))
    assert one.value != many.value
    assert many.high - many.low < one.high - one.low


@pytest.mark.parametrize("wrong", [{"percents": ()}, {"percents": (0.0,)}, {"percents": (1.0, 1.0)}, {"draws": 0}])
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        LowLabel(**wrong)
