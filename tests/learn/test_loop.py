"""Laws of the loop: views made ahead are those made alone, and how it is computed changes nothing but last bits."""

from dataclasses import replace

import pytest
import torch

from augstudy.learn import loop as loops
from augstudy.learn.backbones.base import Encoder, fingerprint
from augstudy.learn.loop import Compute


def silent(done, total, note):
    pass


@pytest.mark.parametrize("name", ["moco", "rotnet", "supervised"])
def test_batches_made_together_are_those_made_alone(name, training):
    loop = training(name)
    order = torch.arange(40).flip(0)
    found = list(loop.batches(order, 16, epoch=3, first=7))
    assert [len(batch.index) for batch in found] == [16, 16, 8]
    assert [batch.step for batch in found] == [7, 8, 9]
    for batch, index in zip(found, order.split(16), strict=True):
        alone = loop.batch(index, epoch=3)
        assert torch.equal(batch.index, index)
        assert len(batch.views) == len(alone.views) == loop.method.views
        assert all(torch.equal(a, b) for a, b in zip(batch.views, alone.views, strict=True))
        assert (batch.labels is None) == (alone.labels is None)
        assert batch.labels is None or torch.equal(batch.labels, alone.labels)


def test_a_large_view_is_made_a_batch_at_a_time(training, monkeypatch):
    asked = []
    loop = training("rotnet")
    usual = type(loop).batch
    monkeypatch.setattr(loops, "AHEAD_CPU", 2 * 16 * loop.size**2)
    monkeypatch.setattr(type(loop), "batch", lambda self, i, *a, **k: asked.append(len(i)) or usual(self, i, *a, **k))
    list(loop.batches(torch.arange(48), 16, epoch=0))
    assert asked == [32, 16]
    monkeypatch.setattr(loops, "AHEAD_CPU", 1)
    list(loop.batches(torch.arange(48), 16, epoch=0))
    assert asked[2:] == [16, 16, 16]


def test_how_many_views_are_made_ahead_does_not_change_the_encoder(training, monkeypatch):
    encoder, _ = training("moco", folder="ahead")(silent)
    monkeypatch.setattr(loops, "AHEAD_CPU", 1)
    alone, _ = training("moco", folder="alone")(silent)
    assert fingerprint(alone) == fingerprint(encoder)


def weights_after(loop, compute):
    loop = replace(loop, compute=compute)
    modules, optimizers = loop.make()
    loop.epoch(0, modules, optimizers, silent)
    return {name: value for name, value in modules.encoder.state_dict().items() if value.is_floating_point()}


def test_the_memory_format_changes_last_bits_only(training):
    loop = training("rotnet", "method.epochs=1")
    states = [weights_after(loop, Compute(channels_last=last)) for last in (True, False)]
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("channels_last", [True, False])
def test_networks_and_views_have_the_memory_format_asked_for(channels_last, training):
    loop = replace(training("moco"), compute=Compute(channels_last=channels_last))
    weight = loop.make()[0].encoder.blocks["conv2"][0].weight
    view = loop.batch(torch.arange(4), 0).views[0]
    for x in (weight, view):
        assert x.is_contiguous(memory_format=torch.channels_last) == channels_last


def test_noise_to_judge_by_is_made_once_a_training(training, monkeypatch):
    made, usual = [], loops.blank
    monkeypatch.setattr(loops, "blank", lambda source: made.append(source) or usual(source))
    pretraining = training("rotnet", "method.epochs=3")
    pretraining(silent)
    assert made == [pretraining.source]


def test_compiling_is_for_encoders_and_keeps_the_names_of_weights(training, monkeypatch):
    compiled = []
    monkeypatch.setattr(Encoder, "compile", lambda self: compiled.append(self))
    loop = training("moco")
    names = list(loop.make()[0].state_dict())
    assert compiled == []
    modules, _ = replace(loop, compute=Compute(compile=True)).make()
    assert len(compiled) == 2  # of the queries, and of the keys
    assert list(modules.state_dict()) == names
