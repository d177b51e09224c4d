"""Laws of NNCLR, its loss against NumPy, one sample at a time."""

import numpy as np
import pytest
import torch

from augstudy.learn.methods.base import Batch, Context
from augstudy.learn.methods.nnclr import NNCLR
from augstudy.learn.queue import Queue


def made(run_of, **settings):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"batch_size": 8, "dim": 6, "hidden": 10, "predictor_hidden": 12, "queue": 20, "temperature": 0.17}
        return NNCLR(**sizes | settings).modules(run_of("nnclr").backbone.encoder(), Context(0, 16, 64)).train()


def batch_of(n=8, seed=0, sizes=(16, 16)):
    generator = torch.Generator().manual_seed(seed)
    return Batch([torch.rand(n, 3, size, size, generator=generator) * 2 - 1 for size in sizes], torch.arange(n))


def sides(modules, batch):
    """Embeddings and predictions of both views, float64; predictions are made of what is not scaled yet."""
    y = [modules.tower.head(modules.encoder.embed(view)) for view in batch.views]
    both = [y, [modules.predictor(side) for side in y]]
    return [[unit(side.detach().double().numpy()) for side in sides] for sides in both]


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def nearest(v, support):
    return max(support, key=lambda q: v @ q)


def one_way(z, predicted, support, temperature):
    """Equation 3: -log softmax, at its own other view, of the neighbour's scores with the batch's predictions."""
    losses = []
    for i, v in enumerate(z):
        scores = [nearest(v, support) @ p / temperature for p in predicted]
        losses.append(np.log(sum(np.exp(scores))) - scores[i])
    return np.mean(losses)


def test_loss_finds_each_prediction_from_the_neighbour_of_the_other_view_both_ways(run_of):
    modules, batch = made(run_of), batch_of()
    (z, p), support = sides(modules, batch), modules.support.keys.double().numpy()
    expected = (one_way(z[0], p[1], support, 0.17) + one_way(z[1], p[0], support, 0.17)) / 2
    assert modules.loss(batch).item() == pytest.approx(expected, rel=1e-5)


def test_predictions_of_further_views_are_found_from_the_neighbours_of_both_large_ones(run_of):
    modules, batch = made(run_of), batch_of(sizes=(16, 16, 10))
    (z, p), support = sides(modules, batch), modules.support.keys.double().numpy()
    ways = [one_way(z[i], p[j], support, 0.17) for i, j in ((0, 1), (1, 0), (0, 2), (1, 2))]
    assert modules.loss(batch).item() == pytest.approx(np.mean(ways), rel=1e-5)


def test_views_may_change_places(run_of):
    modules, batch = made(run_of).eval(), batch_of()
    assert modules.loss(batch).item() == pytest.approx(modules.loss(Batch(batch.views[::-1], batch.index)).item())


def test_a_support_set_of_the_views_themselves_is_contrast_with_predictions(run_of):
    """Where the nearest neighbour of every view is that view, what is left is InfoNCE between z and p."""
    modules, batch = made(run_of, queue=16), batch_of()
    z, p = sides(modules, batch)
    modules.support.push(torch.from_numpy(np.concatenate(z)).float())
    losses = []
    for a, b in ((z[0], p[1]), (z[1], p[0])):
        scores = a @ b.T / 0.17
        losses.append(np.mean(np.log(np.exp(scores).sum(1)) - np.diag(scores)))
    assert modules.loss(batch).item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_neighbours_are_the_nearest_of_the_queue():
    queue = Queue(30, 5)
    x = torch.nn.functional.normalize(torch.randn(7, 5), dim=1)
    for v, found in zip(x.double().numpy(), queue.nearest(x).double().numpy(), strict=True):
        assert np.array_equal(found, nearest(v, queue.keys.double().numpy()))


def test_first_views_join_the_support_set_only_after_the_loss(run_of):
    modules, batch = made(run_of), batch_of()
    before = modules.support.keys.clone()
    modules.loss(batch)
    assert torch.equal(modules.support.keys, before)
    modules.after_step()
    assert torch.equal(modules.support.keys[8:], before[8:])
    np.testing.assert_allclose(modules.support.keys[:8].numpy(), sides(modules, batch)[0][0], atol=1e-5)


def test_the_gradient_goes_through_predictions_alone_and_the_support_set_is_in_the_state(run_of):
    modules, drawn = made(run_of), torch.randn(2, 8, 6, generator=torch.Generator().manual_seed(0))
    z, p = (torch.nn.functional.normalize(x, dim=1).requires_grad_() for x in drawn)
    neighbours = modules.support.nearest(z)
    assert not neighbours.requires_grad
    modules._found(neighbours, p).backward()
    assert p.grad.abs().sum() > 0
    assert {"support.keys", "support.place"} <= set(modules.state_dict())


def test_what_is_compared_are_unit_vectors_of_view_and_prediction(run_of):
    modules, batch = made(run_of).eval(), batch_of()
    (z, p), (first, second) = sides(modules, batch), modules.projected(batch.views)
    np.testing.assert_allclose(first.detach().numpy(), z[0], atol=1e-5)
    np.testing.assert_allclose(second.detach().numpy(), p[1], atol=1e-5)


def test_diagnostics_tell_how_near_neighbours_are_beside_any_of_the_queue(run_of):
    modules, batch = made(run_of).eval(), batch_of()
    found = {d.metric: d for d in modules.diagnostics(batch)}
    z, support = sides(modules, batch)[0][0], modules.support.keys.double().numpy()
    near = found["cosine of nearest neighbours"]
    assert near.value == pytest.approx((z @ support.T).max(1).mean(), rel=1e-5)
    assert near.chance == pytest.approx((z @ support.T).mean(), abs=1e-6)
    assert found["InfoNCE loss"].chance == pytest.approx(np.log(8))


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"dim": 0}, {"hidden": 0}, {"queue": 0}])
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(Exception, match=next(iter(wrong))):
        NNCLR(**wrong)
