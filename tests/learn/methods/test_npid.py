"""Laws of NPID, its two losses against slow references in NumPy, one sample and one logarithm at a time."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from augstudy.learn.methods import npid
from augstudy.learn.methods.base import Batch, Context
from augstudy.learn.methods.npid import NPID

CROPS = 40


def made(run_of, **settings):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        method = NPID(**{"batch_size": 8, "dim": 6, "negatives": 12, "temperature": 0.2} | settings)
        return method.modules(run_of("npid").backbone.encoder(), Context(3, 16, CROPS)).train()


def batch_of(index=(5, 30, 0, 17), step=0, views=1):
    generator = torch.Generator().manual_seed(sum(index) + step)
    pixels = [torch.rand(len(index), 3, 16, 16, generator=generator) * 2 - 1 for _ in range(views)]
    return Batch(pixels, torch.tensor(index), step=step)


def embedded(modules, batch):
    return modules.tower(batch.views[0]).detach().double().numpy()


def nce(z, memory, index, drawn, partition, temperature):
    """Equations 5 to 8: -log h(i, v) - sum over the noise of log(1 - h(j, v)), averaged over the batch."""
    n, m = len(memory), drawn.shape[1]

    def h(vector, i):
        p = math.exp(vector @ memory[i] / temperature) / partition
        return p / (p + m / n)

    losses = [
        -math.log(h(v, i)) - sum(math.log(1 - h(v, j)) for j in noise)
        for v, i, noise in zip(z, index, drawn.tolist(), strict=True)
    ]
    return np.mean(losses)


@pytest.mark.parametrize("dense", [0, 32])
def test_loss_is_noise_contrastive_estimation(run_of, monkeypatch, dense):
    monkeypatch.setattr(npid, "DENSE", dense)
    modules, batch = made(run_of), batch_of()
    loss = modules.loss(batch).item()
    z, memory = embedded(modules, batch), modules.memory.double().numpy()
    drawn = modules._drawn(batch)
    partition = CROPS * np.mean([math.exp(v @ memory[j] / 0.2) for v, js in zip(z, drawn, strict=True) for j in js])
    assert modules.partition.item() == pytest.approx(partition, rel=1e-5)
    assert loss == pytest.approx(nce(z, memory, batch.index.tolist(), drawn, partition, 0.2), rel=1e-5)


def test_z_is_told_by_the_first_batch_and_constant_from_then_on(run_of):
    modules = made(run_of)
    assert modules.partition == 0
    modules.loss(batch_of())
    first = modules.partition.item()
    modules.after_step()
    batch = batch_of((1, 2, 3), step=1)
    loss = modules.loss(batch).item()
    assert modules.partition.item() == first > 0
    memory = modules.memory.double().numpy()
    expected = nce(embedded(modules, batch), memory, [1, 2, 3], modules._drawn(batch), first, 0.2)
    assert loss == pytest.approx(expected, rel=1e-5)


def test_without_noise_it_is_the_softmax_over_all_crops(run_of):
    modules, batch = made(run_of, negatives=0), batch_of()
    loss = modules.loss(batch).item()
    memory, losses = modules.memory.double().numpy(), []
    for v, i in zip(embedded(modules, batch), batch.index.tolist(), strict=True):
        scores = [v @ other / 0.2 for other in memory]
        losses.append(np.log(sum(np.exp(scores))) - scores[i])
    assert loss == pytest.approx(np.mean(losses), rel=1e-5)


@pytest.mark.parametrize("negatives", [0, 12])
def test_the_proximal_term_is_the_squared_way_from_what_is_remembered(run_of, negatives):
    plain, near = (made(run_of, negatives=negatives, proximal=weight) for weight in (0.0, 2.5))
    batch = batch_of()
    way = embedded(plain, batch) - plain.memory[batch.index].double().numpy()
    expected = plain.loss(batch).item() + 2.5 * np.square(way).sum(1).mean()
    assert near.loss(batch).item() == pytest.approx(expected, rel=1e-5)


def test_memory_begins_with_unit_vectors_and_keeps_them(run_of):
    modules = made(run_of)
    torch.testing.assert_close(modules.memory.norm(dim=1), torch.ones(CROPS))
    modules.loss(batch_of())
    modules.after_step()
    torch.testing.assert_close(modules.memory.norm(dim=1), torch.ones(CROPS))


@pytest.mark.parametrize("momentum", [0.0, 0.5, 1.0])
def test_a_step_moves_what_is_remembered_of_its_crops_and_of_no_others(run_of, momentum):
    modules, batch = made(run_of, memory_momentum=momentum), batch_of()
    before = modules.memory.double().numpy()
    modules.loss(batch)
    z = embedded(modules, batch)
    modules.after_step()
    expected = before.copy()
    for v, i in zip(z, batch.index.tolist(), strict=True):
        mixed = momentum * before[i] + (1 - momentum) * v
        expected[i] = mixed / np.sqrt(np.square(mixed).sum())
    np.testing.assert_allclose(modules.memory.numpy(), expected, atol=1e-6)


def test_noise_is_drawn_from_all_crops_alike_and_keyed_by_crop_and_step(run_of):
    modules = made(run_of, negatives=2000)
    drawn = modules._drawn(batch_of())
    counts = drawn.flatten().bincount(minlength=CROPS).double()
    assert counts.min() > 0
    chi2 = ((counts - counts.mean()).square() / counts.mean()).sum()
    assert chi2 < 73  # of 39 degrees of freedom, with probability 0.999
    assert torch.equal(drawn[[2, 0]], modules._drawn(batch_of((0, 5))))
    assert not torch.equal(drawn, modules._drawn(replace(batch_of(), step=1)))


def test_it_is_judged_on_pairs_of_held_out_crops_though_it_trains_on_single_views(training):
    pretraining = training("npid")
    assert len(pretraining.batch(torch.arange(4), 0).views) == 1
    assert len(pretraining.judging(torch.arange(4)).views) == 2
    modules, _ = pretraining.make()
    found = {d.metric: d for d in pretraining._judge(modules)}
    assert found["top-1 of the positive"].chance == pytest.approx(100 / 512)


def test_the_pair_of_a_crop_is_looked_for_among_all_second_views(run_of):
    modules = made(run_of).eval()
    batch = batch_of(tuple(range(8)), views=2)
    found = {d.metric: d for d in modules.diagnostics(batch)}
    z, w = (modules.tower(view).detach().double().numpy() for view in batch.views)
    losses = [np.log(np.exp(v @ w.T / 0.2).sum()) - v @ w[i] / 0.2 for i, v in enumerate(z)]
    assert found["InfoNCE loss"].value == pytest.approx(np.mean(losses), rel=1e-5)
    assert found["top-1 of the positive"].value == 100 * np.mean((z @ w.T).argmax(1) == np.arange(8))
    assert found["cosine of positives"].value == pytest.approx((z * w).sum(1).mean(), abs=1e-6)


@pytest.mark.parametrize(
    "wrong", [{"dim": 0}, {"temperature": 0.001}, {"negatives": -1}, {"memory_momentum": 1.5}, {"proximal": -1.0}]
)
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(Exception, match=next(iter(wrong))):
        NPID(**wrong)
