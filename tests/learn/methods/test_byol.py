"""Laws of BYOL: its loss against a slow reference, what follows what, and how a collapse shows."""

import math

import numpy as np
import pytest
import torch

from augstudy.learn.collapse import effective_rank
from augstudy.learn.methods.base import Batch, Context
from augstudy.learn.methods.byol import BYOL
from augstudy.learn.momentum import rising

SMALL = BYOL(epochs=4, batch_size=8, dim=6, hidden=10, ema=0.9)


@pytest.fixture
def modules(run_of):
    torch.manual_seed(0)
    return SMALL.modules(run_of("byol").backbone.encoder(), Context(0, 16, 64)).train()


def batch(step=0, n=8, sizes=(16, 16)):
    generator = torch.Generator().manual_seed(0)
    return Batch(
        [torch.rand(n, 3, size, size, generator=generator) * 2 - 1 for size in sizes], torch.arange(n), step=step
    )


@pytest.mark.parametrize(
    ("sizes", "pairs"),
    [
        ((16, 16), [(0, 1), (1, 0)]),
        ((16, 16, 10, 10), [(0, 1), (1, 0), (2, 0), (2, 1), (3, 0), (3, 1)]),  # small views predict, and are no targets
    ],
)
def test_loss_is_twice_the_squared_distance_of_unit_vectors_over_all_pairs(modules, sizes, pairs):
    views, distances = batch(sizes=sizes).views, []
    for seen, other in pairs:
        q = modules.predictor(modules.online.head(modules.encoder.embed(views[seen]))).detach().double().numpy()
        z = modules.target.head(modules.target.encoder.embed(views[other])).double().numpy()
        for a, b in zip(q, z, strict=True):
            distances.append(((a / np.linalg.norm(a) - b / np.linalg.norm(b)) ** 2).sum())
    assert modules.loss(batch(sizes=sizes)).item() == pytest.approx(2 * np.mean(distances), rel=1e-5)


def test_no_gradient_reaches_the_target_and_it_starts_as_the_online_network(modules):
    pairs = list(zip(modules.target.parameters(), modules.online.parameters(), strict=True))
    assert all(torch.equal(t, o) for t, o in pairs)
    modules.loss(batch()).backward()
    assert all(t.grad is None and o.grad is not None for t, o in pairs)


@pytest.mark.parametrize("step", [0, 16, 31])
def test_the_target_follows_after_a_step_more_slowly_towards_the_end(modules, step):
    """32 steps: 64 crops in batches of 8, 4 epochs."""
    before = [p.double().numpy().copy() for p in modules.target.parameters()]
    modules.loss(batch(step))
    with torch.no_grad():
        for p in modules.online.parameters():
            p.add_(0.5)
    modules.after_step()
    ema = 1 - 0.1 * (1 + math.cos(math.pi * step / 32)) / 2
    for t, old, o in zip(modules.target.parameters(), before, modules.online.parameters(), strict=True):
        np.testing.assert_allclose(t.numpy(), ema * old + (1 - ema) * o.detach().double().numpy(), rtol=1e-5, atol=1e-6)


def test_the_moving_average_rises_from_its_setting_to_one():
    assert [rising(0.996, p) for p in (0, 0.5, 1)] == pytest.approx([0.996, 0.998, 1])


def test_published_steps_and_rate():
    paper = BYOL()
    assert paper.lr == pytest.approx(0.2 * paper.batch_size / 256)
    assert paper.steps(1_281_167) == 312 * 1000


def test_a_collapse_shows_in_spread_rank_and_in_cosines_of_strangers(modules):
    last = [m for m in modules.target.head.modules() if isinstance(m, torch.nn.Linear)][-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.ones_(last.bias)
    found = {d.metric: d for d in modules.eval().diagnostics(batch(n=32))}
    assert found["std of embeddings"].value == pytest.approx(0, abs=1e-6)
    assert found["effective rank of embeddings"].value == pytest.approx(1, abs=1e-4)
    assert found["cosine of views"].value == pytest.approx(found["cosine of views"].chance, abs=1e-6)


def test_effective_rank_counts_directions_that_are_used_alike():
    z = torch.zeros(30, 8)
    for i in range(30):
        z[i, i % 3] = 1
    assert effective_rank(z) == pytest.approx(3)
