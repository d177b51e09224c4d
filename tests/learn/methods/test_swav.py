"""Laws of SwAV, its loss against NumPy."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

QUEUED = ["method.queue=24", "method.queue_from=1", "method.prototypes=5"]
CROPS = "view.crops=2x16+2x10"


@pytest.fixture
def prepared(training):
    """`prepared("method.queue=0")`: a training ready for its first step, and the batch of that step."""

    def made(*overrides):
        pretraining = training("swav", "method.prototypes=5", CROPS, *overrides)
        modules, optimizers = pretraining.make()
        modules.train().before_epoch(0, pretraining.source)
        return pretraining, modules, optimizers, pretraining.batch(torch.arange(16), 0)

    return made


def slow_codes(scores, epsilon=0.05, iterations=3):
    q = np.exp((scores - scores.max()) / epsilon)  # (N, K)
    for _ in range(iterations):
        q = q / q.sum(0) / q.shape[1]
        q = q / q.sum(1, keepdims=True) / q.shape[0]
    return q * q.shape[0]


def swapped(embeddings, prototypes, queues=None, temperature=0.1):
    """Mean over the first two views of the mean over all other views of the cross-entropy with their codes."""
    totals = []
    for i in (0, 1):
        scores = embeddings[i] @ prototypes.T
        rest = np.zeros((0, len(prototypes))) if queues is None else queues[i] @ prototypes.T
        q = slow_codes(np.concatenate((scores, rest)))[: len(scores)]
        losses = []
        for v, z in enumerate(embeddings):
            if v != i:
                logits = z @ prototypes.T / temperature
                log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
                losses.append(-(q * log_p).sum(1).mean())
        totals.append(np.mean(losses))
    return np.mean(totals)


def doubles(modules, batch):
    with torch.no_grad():
        return [modules.embed(view).double().numpy() for view in batch.views], modules.prototypes.double().numpy()


def test_each_crop_keeps_the_prototype_that_its_first_view_was_last_at(prepared):
    pretraining, modules, optimizers, batch = prepared("method.queue=0")
    assert (modules.labels == -1).all()
    pretraining.epoch(0, modules, optimizers, lambda *words: None)
    assert (modules.labels >= 0).all()
    assert (modules.labels < 5).all()
    modules.eval().loss(batch)
    nearest = (modules.embed(batch.views[0]) @ modules.prototypes.T).argmax(1)
    assert torch.equal(modules.labels[batch.index], nearest)


def test_loss_is_swapped_prediction_of_the_codes_of_the_first_two_views(prepared):
    _, modules, _, batch = prepared("method.queue=0")
    modules.eval()
    assert len(batch.views) == 4
    assert modules.loss(batch).item() == pytest.approx(swapped(*doubles(modules, batch)), rel=1e-4)


def test_a_full_queue_joins_the_transport(prepared):
    pretraining, modules, _, batch = prepared(*QUEUED)
    modules.eval()
    queues = normalize(torch.randn(2, 24, modules.prototypes.shape[1]), dim=2)
    modules.queue.keys.copy_(torch.cat([*queues], 1))
    alone = modules.loss(batch).item()
    modules.pushed.fill_(24)
    modules.before_epoch(1, pretraining.source)
    expected = swapped(*doubles(modules, batch), queues.double().numpy())
    assert modules.loss(batch).item() == pytest.approx(expected, rel=1e-4)
    assert abs(expected - alone) > 1e-4


def test_queue_starts_late_and_is_used_once_it_is_full(prepared):
    pretraining, modules, optimizers, batch = prepared(*QUEUED)
    pretraining._step(batch, modules, optimizers)
    assert modules.pushed == 0
    modules.before_epoch(1, pretraining.source)
    for known in (16, 32):
        assert modules.known < 24
        pretraining._step(batch, modules, optimizers)
        assert modules.known == modules.pushed == known
    assert torch.equal(modules.queue.keys[16:], modules.fresh[:8])  # a ring of 24: 16, then 8 and again 8
    assert torch.equal(modules.queue.keys[:8], modules.fresh[8:])


def test_prototypes_have_length_one_after_every_step_and_stay_where_they_are_while_frozen(prepared):
    pretraining, modules, optimizers, batch = prepared("method.frozen=1", "method.lr=1")
    pretraining._set_lr(optimizers, 0.2)
    before = modules.prototypes.clone()
    pretraining._step(batch, modules, optimizers)
    torch.testing.assert_close(modules.prototypes, before)
    modules.before_epoch(1, pretraining.source)
    pretraining._step(batch, modules, optimizers)
    assert not torch.allclose(modules.prototypes, before, atol=1e-5)
    torch.testing.assert_close(modules.prototypes.norm(dim=1), torch.ones(5))


def test_codes_carry_no_gradient(prepared):
    """The gradient is that of predictions whose targets are constants."""
    _, modules, _, batch = prepared("method.queue=0")
    z = [modules.embed(view).detach().requires_grad_() for view in batch.views[:2]]
    given = torch.cat(z)
    modules.project = lambda features: given
    modules.loss(replace(batch, views=batch.views[:2])).backward()
    prototypes = modules.prototypes.detach().double().numpy()
    for view, other in ((0, 1), (1, 0)):
        q = slow_codes(z[other].detach().double().numpy() @ prototypes.T)
        logits = z[view].detach().double().numpy() @ prototypes.T / 0.1
        p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        expected = (p - q) @ prototypes / 0.1 / 16 / 2
        np.testing.assert_allclose(z[view].grad.numpy(), expected, rtol=1e-3, atol=1e-6)


def test_equal_views_stand_at_the_same_prototype(prepared):
    _, modules, _, batch = prepared()
    batch.views[1] = batch.views[0]
    found = {d.metric: d for d in modules.eval().diagnostics(batch)}
    assert found["views at the same prototype"].value == 100
    assert found["swapped prediction loss"].chance == pytest.approx(np.log(5))


WORKER = """
import sys
import torch
from augstudy.core import rng
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.methods.base import Batch, Context
from augstudy.learn.methods.swav import SwAV

rank, count, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if count > 1:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=count)
with rng.torch_seeded(0, "weights"):
    method = SwAV(dim=8, hidden=16, prototypes=6, queue=24, queue_from=0, frozen=0, batch_size=16)
    modules = method.modules(Conv4(width=0.125).encoder(), Context(0, 16, 48)).eval()
generator = torch.Generator().manual_seed(0)
views = [torch.rand(16, 3, side, side, generator=generator) * 2 - 1 for side in (16, 16, 10)]
mine = slice(rank * 16 // count, (rank + 1) * 16 // count)
losses = []
for step in range(3):
    losses.append(modules.loss(Batch([view[mine] for view in views], torch.arange(16)[mine], step=step)).item())
    modules.after_step()
assert modules.known == 48
torch.save([losses, modules.queue.keys, modules.pushed], f"{folder}/{count}-{rank}.pt")
"""


@pytest.mark.slow
def test_two_processes_with_half_a_batch_share_out_prototypes_as_one_with_the_whole(tmp_path):
    ways = [(0, 1), (0, 2), (1, 2)]
    runs = [subprocess.Popen([sys.executable, "-c", WORKER, *map(str, way), tmp_path]) for way in ways]
    assert [run.wait(timeout=200) for run in runs] == [0, 0, 0]
    alone, first, second = (torch.load(tmp_path / f"{count}-{rank}.pt") for rank, count in ways)
    for one, a, b in zip(alone[0], first[0], second[0], strict=True):
        assert one == pytest.approx((a + b) / 2, rel=1e-4)
    for part in (1, 2):
        for found in (first, second):
            torch.testing.assert_close(found[part], alone[part], rtol=1e-4, atol=1e-5)
