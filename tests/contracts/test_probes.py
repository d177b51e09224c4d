"""What every probe must obey; a new file in evaluate/probes is tested on arrival."""

import copy
import math
from functools import partial

import pytest
import torch

from augstudy.core import registry
from augstudy.data.datasets.base import Labelled, Stored
from augstudy.evaluate.features import Extraction, Features
from augstudy.evaluate.probes.base import EncoderProbe, FeatureProbe, Probe, Subject
from augstudy.learn.backbones.base import fingerprint
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.classifier import untrained

KINDS = {name: registry.find("evaluate.probes", name) for name in registry.names("evaluate.probes")}
PROBES = [name for name, kind in KINDS.items() if issubclass(kind, FeatureProbe)]
TRAINERS = [name for name, kind in KINDS.items() if issubclass(kind, EncoderProbe)]
# Settings that make the default suite quick.
LIGHT = {
    "low_label": {"percents": (10.0, 100.0), "draws": 1},
    "finetune": {"epochs": 2, "batch_size": 16},
    "linear_paper": {"epochs": 2, "batch_size": 16},
}
WITHOUT_TOP1 = {"low_label", "svm_low_shot"}  # they measure it at several numbers of labels
LAYERS = ("conv1", "conv2")


def blobs(n, gap, seed, classes=4, dims=6):
    """Gaussian classes whose centres lie `gap` standard deviations from the origin, on axes of their own."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    x = {name: torch.randn(n, dims, generator=generator) for name in LAYERS}
    return Features({k: v + gap * torch.eye(dims)[labels] for k, v in x.items()}, labels)


def top1(probe, train, test):
    """Top-1 by layer, or where it is measured with several numbers of labels, with the most of them."""
    return {m.layer: m.value for m in probe(train, test) if m.metric.startswith("top1")}


@pytest.fixture(params=PROBES)
def probe(request):
    return KINDS[request.param](**LIGHT.get(request.param, {}))


@pytest.fixture(params=TRAINERS)
def trainer(request):
    return KINDS[request.param](**LIGHT.get(request.param, {}))


@pytest.fixture(scope="module")
def subject(split):
    torch.manual_seed(0)
    data = Labelled("toy", split, Stored(split.pixels[:9], split.labels[:9]), ("a", "b", "c"), "", "0")
    student = untrained(Conv4(width=0.125), 3)
    extraction, teacher = Extraction(calibrate=20), partial(untrained, Conv4(width=0.25), 3)
    return Subject(student.encoder, data, extraction, torch.device("cpu"), student.head, teacher)


def test_is_a_probe_without_state(probe):
    assert isinstance(probe, Probe)
    before = copy.deepcopy(vars(probe))
    first = probe(blobs(200, 3, 0), blobs(100, 3, 1))
    assert vars(probe) == before
    assert probe(blobs(200, 3, 0), blobs(100, 3, 1)) == first


def test_gives_finite_metrics_of_every_layer_in_depth_order(probe):
    found = probe(blobs(200, 3, 0), blobs(100, 3, 1))
    assert list(dict.fromkeys(m.layer for m in found)) == list(LAYERS)
    assert all(math.isfinite(m.value) for m in found)
    assert {m.metric for m in found} == set(probe.measures())  # a study's claims are checked against these
    assert len({(m.layer, m.metric) for m in found}) == len(found)


def test_is_perfect_on_separable_blobs_and_at_chance_on_noise(probe):
    assert top1(probe, blobs(400, 30, 0), blobs(200, 30, 1)) == {"conv1": 100, "conv2": 100}
    n, chance = 2000, 25
    spread = 100 * math.sqrt(0.25 * 0.75 / n)
    for value in top1(probe, blobs(400, 0, 0), blobs(n, 0, 1)).values():
        assert abs(value - chance) < 4 * spread


def test_does_not_change_its_input(probe):
    train, test = blobs(200, 3, 0), blobs(100, 3, 1)
    copies = copy.deepcopy((train, test))
    probe(train, test)
    for given, kept in zip((train, test), copies, strict=True):
        assert torch.equal(given.labels, kept.labels)
        assert all(torch.equal(given.layers[name], kept.layers[name]) for name in LAYERS)


def test_does_not_depend_on_scale_and_offset_of_a_feature(probe):
    train, test = blobs(400, 2, 0), blobs(200, 2, 1)
    scale, offset = torch.tensor([1, 8, 0.25, 2, 64, 1]), torch.tensor([0, 4.0, -16, 1, 0, 2])
    other = [Features({k: v * scale + offset for k, v in f.layers.items()}, f.labels) for f in (train, test)]
    expected = top1(probe, train, test)
    for layer, value in top1(probe, *other).items():
        assert abs(value - expected[layer]) <= 1  # rounding may move a point that lies on a border


def test_features_that_are_constant_or_repeated_are_no_obstacle(probe):
    def widened(f):
        layers = {k: torch.cat([v, v, torch.ones(len(v), 1)], 1) for k, v in f.layers.items()}
        return Features(layers, f.labels)

    train, test = widened(blobs(400, 30, 0)), widened(blobs(200, 30, 1))
    assert top1(probe, train, test) == {"conv1": 100, "conv2": 100}


def test_nothing_is_chosen_on_the_test_labels(probe):
    """With other test labels only the verdict on them may change."""
    train, test = blobs(300, 1, 0), blobs(150, 1, 1)
    swapped = Features(test.layers, test.labels.roll(1))
    a, b = probe(train, test), probe(train, swapped)
    judged = ("top1", "nmi", "ari")
    assert [m for m in a if not m.metric.startswith(judged)] == [m for m in b if not m.metric.startswith(judged)]


def test_every_top1_has_an_interval_over_the_test_images(probe):
    for m in probe(blobs(200, 1, 0), blobs(100, 1, 1)):
        if m.metric.startswith("top1"):
            assert m.low <= m.value <= m.high
            assert m.high - m.low < 30


def test_every_probe_is_of_one_kind_and_names_its_main_metric_first():
    assert sorted([*PROBES, *TRAINERS]) == sorted(KINDS)
    for name, kind in KINDS.items():
        assert issubclass(kind, Probe)
        assert (kind().measures()[0] == "top1") == (name not in WITHOUT_TOP1)


def test_a_probe_that_trains_leaves_the_encoder_as_it_was_and_finds_the_same_again(trainer, subject):
    before, mode = fingerprint(subject.encoder), subject.encoder.training
    found = trainer(subject)
    assert fingerprint(subject.encoder) == before
    assert subject.encoder.training == mode
    assert all(p.grad is None and p.requires_grad for p in subject.encoder.parameters())
    assert {m.metric for m in found} == set(trainer.measures())
    seen = list(dict.fromkeys(m.layer for m in found))
    assert seen == [name for name in subject.encoder.names if name in seen]
    assert trainer(subject) == found
