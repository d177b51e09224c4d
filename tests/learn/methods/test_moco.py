"""Laws of MoCo, against slow references: the loss in NumPy, the queue as a Python list."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from augstudy.core.errors import UserError
from augstudy.learn.methods.base import Batch, Context
from augstudy.learn.methods.moco import MoCo
from augstudy.learn.momentum import follow
from augstudy.learn.queue import Queue


def made(training, *overrides, seed=0):
    modules, optimizers = training("moco", *overrides, seed=seed).make()
    return modules.train(), optimizers


def batch_of(n=8, step=0, seed=0, sizes=(16, 16)):
    generator = torch.Generator().manual_seed(seed)
    views = [torch.rand(n, 3, size, size, generator=generator) * 2 - 1 for size in sizes]
    return Batch(views, torch.arange(n), step=step)


def infonce(q, k, queue, temperature):
    """Cross-entropy of finding each query's own key among it and the queue, one query at a time, in float64."""
    q, k, queue = (t.detach().double().numpy() for t in (q, k, queue))
    losses = []
    for query, key in zip(q, k, strict=True):
        logits = np.array([query @ key, *(query @ other for other in queue)]) / temperature
        losses.append(np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[0])
    return np.mean(losses)


@given(size=st.integers(1, 9), batches=st.lists(st.integers(1, 23), max_size=6))
@settings(deadline=None, max_examples=60)
def test_queue_is_a_ring_for_any_batch_size(size, batches):
    queue, ring, place, number = Queue(size, 2), [], 0, 0.0
    ring = queue.keys.tolist()
    for n in batches:
        keys = torch.arange(2 * n, dtype=torch.float).view(n, 2) + number
        number += 2 * n
        queue.push(keys)
        for key in keys.tolist():
            ring[place] = key
            place = (place + 1) % size
        assert queue.keys.tolist() == ring
        assert int(queue.place) == place


def test_queue_starts_with_unit_vectors():
    torch.testing.assert_close(Queue(32, 5).keys.norm(dim=1), torch.ones(32))


def test_loss_is_infonce_over_the_positive_and_the_queue(training):
    modules, _ = made(training, "method.temperature=0.13", "method.ema=1")
    batch = batch_of()
    loss = modules.loss(batch)
    q = modules.query(batch.views[0])
    expected = infonce(q, modules.fresh, modules.queue.keys, 0.13)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_symmetric_loss_is_the_mean_of_both_ways_with_the_same_queue(training):
    modules, _ = made(training, "method.symmetric=true", "method.ema=1")
    batch = batch_of()
    loss = modules.loss(batch)
    k2, k1 = modules.fresh.split(8)
    ways = [
        infonce(modules.query(batch.views[i]), k, modules.queue.keys, modules.settings.temperature)
        for i, k in ((0, k2), (1, k1))
    ]
    assert loss.item() == pytest.approx(sum(ways) / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("symmetric", "pairs"),
    [("false", [(0, 0), (2, 0), (3, 0)]), ("true", [(0, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)])],
)
def test_further_views_are_queries_for_the_keys_of_the_large_ones(training, symmetric, pairs):
    """Pairs are of a view and a key: key 0 is the second view's, key 1 the first's."""
    modules, _ = made(training, f"method.symmetric={symmetric}", "method.ema=1")
    batch = batch_of(sizes=(16, 16, 10, 10))
    loss = modules.loss(batch)
    keys = modules.fresh.split(8)
    assert len(keys) == 1 + (symmetric == "true")  # small views are no keys
    ways = [
        infonce(modules.query(batch.views[view]), keys[key], modules.queue.keys, modules.settings.temperature)
        for view, key in pairs
    ]
    assert loss.item() == pytest.approx(np.mean(ways), rel=1e-5)


def test_embeddings_are_unit_vectors(training):
    modules, _ = made(training)
    batch = batch_of()
    modules.loss(batch)
    torch.testing.assert_close(modules.fresh.norm(dim=1), torch.ones(8))
    torch.testing.assert_close(modules.query(batch.views[0]).norm(dim=1), torch.ones(8))


def test_keys_join_the_queue_only_after_the_logits(training):
    modules, _ = made(training)
    before = modules.queue.keys.clone()
    modules.loss(batch_of())
    assert torch.equal(modules.queue.keys, before)
    modules.after_step()
    assert torch.equal(modules.queue.keys[:8], modules.fresh)
    assert torch.equal(modules.queue.keys[8:], before[8:])


def test_keys_are_in_the_order_of_the_queries_whatever_the_shuffle(training):
    modules, _ = made(training)
    modules.eval()  # batch statistics would tell the order
    for step in range(3):
        batch = batch_of(step=step)
        modules.loss(batch)
        torch.testing.assert_close(modules.fresh, modules.key(batch.views[1]), rtol=1e-4, atol=1e-5)


def test_batch_norm_of_the_keys_sees_a_shuffled_batch(training):
    """Half batches of another make-up give other keys; without the shuffle the statistics would leak the answer."""
    modules, _ = made(training, "method.bn_splits=2", "method.ema=1")
    batch = batch_of()
    modules.loss(batch)
    assert not torch.allclose(modules.fresh, modules.key(batch.views[1]), atol=1e-3)


@pytest.mark.parametrize("n", [8, 11, 16])
def test_a_loss_is_had_where_parts_do_not_divide_the_batch(training, n):
    modules, _ = made(training, "method.bn_splits=4")
    assert modules.loss(batch_of(n)).isfinite()


@pytest.mark.parametrize("ema", [0, 0.25, 0.9, 1])
def test_key_tower_follows_the_query_tower(training, ema):
    modules, _ = made(training, f"method.ema={ema}")
    with torch.no_grad():
        for p in modules.query.parameters():
            p.add_(torch.rand_like(p))
    keys = [p.double().numpy() for p in modules.key.parameters()]
    queries = [p.detach().double().numpy() for p in modules.query.parameters()]
    keys = [k.copy() for k in keys]
    modules.loss(batch_of())
    for p, k, q in zip(modules.key.parameters(), keys, queries, strict=True):
        np.testing.assert_allclose(p.numpy(), ema * k + (1 - ema) * q, rtol=1e-6, atol=1e-6)
        if ema in (0, 1):
            assert np.array_equal(p.numpy(), k if ema else q)


def test_towers_start_equal_and_only_one_is_trained(training):
    modules, _ = made(training)
    for q, k in zip(modules.query.parameters(), modules.key.parameters(), strict=True):
        assert torch.equal(q, k)
        assert q.requires_grad
        assert not k.requires_grad


def test_diagnostics_put_the_loss_beside_the_log_of_the_number_of_candidates(training):
    pretraining = training("moco", "method.queue=31")
    modules, _ = pretraining.make()
    found = {d.metric: d for d in pretraining._judge(modules)}
    assert found["InfoNCE loss"].chance == pytest.approx(np.log(32))
    assert found["top-1 of the positive"].chance == pytest.approx(100 / 32)


def test_a_collapsed_embedding_shows_as_no_spread(training):
    pretraining = training("moco")
    modules, _ = pretraining.make()
    last = [m for m in modules.query.head.modules() if isinstance(m, torch.nn.Linear)][-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.ones_(last.bias)
    found = {d.metric: d.value for d in pretraining._judge(modules)}
    assert found["std of embeddings"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("mlp", [True, False])
def test_head_is_linear_in_version_1_and_has_two_layers_in_version_2(run_of, mlp):
    run = run_of("moco")
    settings_of = MoCo(mlp=mlp, queue=4, dim=6, bn_splits=2, batch_size=8)
    modules = settings_of.modules(run.backbone.encoder(), Context(0, 16, 8))
    linear = [m for m in modules.query.head.modules() if isinstance(m, torch.nn.Linear)]
    assert len(linear) == (2 if mlp else 1)
    assert linear[-1].out_features == 6


@pytest.mark.parametrize("ema", [0, 0.25, 0.9, 1])
def test_batch_norm_statistics_follow_too_and_counters_are_copied(training, ema):
    modules, _ = made(training, f"method.ema={ema}", "method.head_norm=true")
    for i, buffer in enumerate(modules.query.buffers()):
        buffer.copy_(torch.full_like(buffer, 3 + i))
    keys, queries = ([b.double().numpy() for b in tower.buffers()] for tower in (modules.key, modules.query))
    follow(modules.key, modules.query, ema)
    counters = 0
    for b, k, q in zip(modules.key.buffers(), keys, queries, strict=True):
        expected = ema * k + (1 - ema) * q if b.is_floating_point() else q
        np.testing.assert_allclose(b.numpy(), expected, rtol=1e-6)
        counters += not b.is_floating_point()
    assert 0 < counters < len(keys)


def test_cosines_are_those_of_the_pairs_and_of_the_queue(training):
    pretraining = training("moco")
    modules, _ = pretraining.make()
    found = {d.metric: d for d in pretraining._judge(modules)}
    batch = pretraining.batch(pretraining.source.held_out(512), 0)
    with torch.no_grad():
        q, k = modules.query(batch.views[0]).double().numpy(), modules.key(batch.views[1]).double().numpy()
    negative = (q @ modules.queue.keys.double().numpy().T).mean()
    assert found["cosine of positives"].value == pytest.approx((q * k).sum(1).mean(), rel=1e-4)
    assert found["cosine of positives"].chance == pytest.approx(negative, abs=1e-5)
    assert found["cosine of negatives"].value == pytest.approx(negative, abs=1e-5)


def test_views_that_are_all_but_equal_are_called_too_easy(training):
    pretraining = training("moco", "method.queue=64")
    modules, _ = pretraining.make()
    x = pretraining.batch(pretraining.source.held_out(128), 0).views[0]
    modules.eval().queue.push(modules.key(x[64:]))
    flags = []
    for second in (x[:64], x[:64].roll(1, 0)):
        found = modules.diagnostics(Batch([x[:64], second], torch.arange(64)))
        flags += [d.value for d in found if d.metric == "task too easy"]
    assert flags == [1, 0]


@pytest.mark.parametrize(("queue", "warned"), [(32, False), (48, False), (96, True)])
def test_a_queue_larger_than_the_corpus_is_told(training, queue, warned):
    pretraining = training("moco", f"method.queue={queue}")  # 48 crops
    modules, _ = pretraining.make()
    found = {d.metric: d.value for d in pretraining._judge(modules)}
    assert ("own old keys among a crop's negatives" in found) == warned
    assert not warned or found["own old keys among a crop's negatives"] == 2


def test_parts_of_less_than_two_crops_are_refused(run_of):
    encoder = run_of("moco").backbone.encoder()
    with pytest.raises(UserError, match="bn_splits 8 leaves batch norm less than 2 of 10 crops a part"):
        MoCo(bn_splits=8).modules(encoder, Context(0, 16, 10))
    MoCo(bn_splits=5).modules(encoder, Context(0, 16, 10))
