"""Laws of distillation: the softened divergence against a slow reference, and a teacher who is only lent."""

import numpy as np
import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.learn.backbones.base import fingerprint
from augstudy.learn.methods.distillation import Distillation


def soft(logits, temperature):
    e = np.exp(logits / temperature - (logits / temperature).max())
    return e / e.sum()


def reference(taught, said, temperature):
    """The mean over pictures of sum p log(p / q), in nats."""
    losses = []
    for t, s in zip(taught.double().numpy(), said.double().numpy(), strict=True):
        p, q = soft(t, temperature), soft(s, temperature)
        losses.append(sum(a * np.log(a / b) for a, b in zip(p, q, strict=True)))
    return np.mean(losses)


@pytest.mark.parametrize("mix", [[], ["method.cutmix=0"], ["method.cutmix=0", "method.mixup=1"]])
@torch.no_grad()
def test_loss_is_the_divergence_from_the_teacher_on_the_mixed_picture(mix, training):
    pretraining = training("distillation", "method.temperature=3", *mix)
    modules, _ = pretraining.make()
    batch = pretraining.batch(torch.arange(8), 0, step=5)
    x = modules.eval().mixing(batch.views[0], pretraining.seed, 5)
    expected = reference(modules.taught(x), modules.logits(x), 3)
    assert modules.loss(batch).item() == pytest.approx(expected, rel=1e-4)


def test_nothing_is_lost_where_the_student_is_the_teacher(training):
    pretraining = training("distillation")
    modules, _ = pretraining.make()
    teacher = modules.lent[0]
    modules.encoder.load_state_dict(teacher.encoder.state_dict())
    modules.head.load_state_dict(teacher.head.state_dict())
    batch = pretraining.batch(torch.arange(8), 0)
    found = {d.metric: d for d in modules.eval().diagnostics(batch)}
    assert modules.loss(batch).item() == pytest.approx(0, abs=1e-6)
    assert found["agreement with the teacher on held-out crops"].value == 100
    assert found["divergence from the teacher"].value == pytest.approx(0, abs=1e-6)
    assert 1 <= found["classes that the teacher sees"].value <= 3


def test_chance_is_what_says_the_same_of_every_picture(training):
    pretraining = training("distillation")
    modules, _ = pretraining.make()
    batch = pretraining.batch(pretraining.source.held_out(64), 0)
    found = {d.metric: d for d in modules.eval().diagnostics(batch)}
    with torch.no_grad():
        guesses = modules.taught(batch.views[0]).argmax(1)
        modules.head.weight.zero_()
        modules.head.bias.copy_(torch.eye(3)[guesses.mode().values] * 50)
    same = {d.metric: d for d in modules.diagnostics(batch)}
    name = "agreement with the teacher on held-out crops"
    assert same[name].value == pytest.approx(found[name].chance)


def test_the_teacher_is_neither_trained_nor_kept(training):
    pretraining = training("distillation")
    modules, optimizers = pretraining.make()
    teacher = modules.lent[0]
    before = fingerprint(teacher)
    modules.train()
    pretraining._set_lr(optimizers, 0.5)
    for step in range(2):
        pretraining._step(pretraining.batch(torch.arange(16), 0, step), modules, optimizers)
    assert fingerprint(teacher) == before
    assert not teacher.training
    assert all(p.grad is None for p in teacher.parameters())
    assert len(modules.state_dict()) == len(modules.encoder.state_dict()) + 2


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"cutmix": -1.0}, {"mixup": -1.0}])
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Distillation(**wrong)
