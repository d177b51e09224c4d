"""Laws of fine-tuning: what is trained, on how much, and that the encoder is another's."""

import pytest
import torch

from augstudy.augment.views.split import Split
from augstudy.core.errors import UserError
from augstudy.data.datasets.base import Labelled, Stored
from augstudy.evaluate.augmented import Augmented
from augstudy.evaluate.features import Extraction, calibrated
from augstudy.evaluate.probes.base import Subject
from augstudy.evaluate.probes.finetune import Finetune
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.sided import Sided


@pytest.fixture(scope="module")
def subject(split):
    data = Labelled("toy", split, Stored(split.pixels[:30], split.labels[:30]), ("a", "b", "c"), "", "0")
    torch.manual_seed(0)
    return Subject(Conv4(width=0.125).encoder(), data, Extraction(calibrate=60), torch.device("cpu"))


def test_it_learns_what_can_be_told(subject):
    (found,) = Finetune(epochs=15, batch_size=20, lr=0.01)(subject)
    assert found.layer == "conv1"
    assert found.value > 80


def test_one_training_a_start_and_only_layers_from_there_on_move(subject, monkeypatch):
    moved = []
    usual = Finetune._train

    def watched(self, encoder, head, start, views):
        before = {k: v.clone() for k, v in encoder.state_dict().items()}
        usual(self, encoder, head, start, views)
        changed = {k.split(".")[1] for k, v in encoder.state_dict().items() if not torch.equal(v, before[k])}
        moved.append((start, sorted(changed)))

    monkeypatch.setattr(Finetune, "_train", watched)
    found = Finetune(starts=("conv2", "conv4"), epochs=1, batch_size=20)(subject)
    assert [m.layer for m in found] == ["conv2", "conv4"]
    assert moved == [("conv2", ["conv2", "conv3", "conv4"]), ("conv4", ["conv4"])]


def test_both_sides_of_a_split_picture_are_trained_from_the_layer_on(subject):
    encoder = Sided(backbone=Conv4(width=0.125), view=Split()).encoder()
    before = {k: v.clone() for k, v in encoder.named_parameters()}
    head = torch.nn.Linear(encoder.embed(torch.zeros(1, 3, 32, 32)).shape[1], 3)
    views = Augmented(subject.data.train, torch.arange(40), torch.device("cpu"))
    Finetune(epochs=1, batch_size=20)._train(encoder, head, "conv3", views)
    changed = {k.split(".")[1] + k.split(".")[3] for k, v in encoder.named_parameters() if not v.equal(before[k])}
    assert changed == {"0conv3", "0conv4", "1conv3", "1conv4"}


def test_batch_norm_follows_the_training_after_calibration(subject):
    reader = calibrated(subject.encoder, subject.data.train, 60, torch.device("cpu"))
    norms = [m for m in reader.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms
    assert {norm.momentum for norm in norms} == {0.1}


def test_a_share_of_the_labels_is_used(subject, monkeypatch):
    seen = []
    monkeypatch.setattr(Finetune, "_train", lambda self, e, h, s, views: seen.append(len(views.index)))
    Finetune(percent=10, epochs=1)(subject)
    assert seen == [6]


def test_an_unknown_layer_is_named(subject):
    with pytest.raises(UserError, match=r"no layer 'conv9'"):
        Finetune(starts=("conv9",))(subject)


@pytest.mark.parametrize("wrong", [{"percent": 0.0}, {"epochs": 0}, {"batch_size": 1}, {"lr": -1}])
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Finetune(**wrong)
