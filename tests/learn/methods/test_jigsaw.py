"""Laws of the jigsaw, its loss against NumPy."""

from itertools import permutations

import numpy as np
import pytest
import torch

from augstudy.learn.methods import jigsaw
from augstudy.learn.methods.base import Batch, Context
from augstudy.learn.methods.jigsaw import Jigsaw, far_apart


@pytest.fixture
def modules(training):
    return training("jigsaw").make()[0]


def batch_of(count, size=24, step=2):
    generator = torch.Generator().manual_seed(0)
    return Batch([torch.rand(count, 3, size, size, generator=generator) * 2 - 1], torch.arange(count), step=step)


def hamming(orders):
    return (orders[:, None] != orders[None]).sum(2)


def test_orders_are_different_permutations_and_the_same_each_time():
    orders = far_apart(20).numpy()
    assert (np.sort(orders, 1) == np.arange(9)).all()
    assert len({tuple(order) for order in orders}) == 20
    far_apart.cache_clear()
    assert np.array_equal(far_apart(20).numpy(), orders)
    assert np.array_equal(far_apart(12).numpy(), orders[:12])


def test_the_first_nine_orders_differ_in_every_place():
    distances = hamming(far_apart(9).numpy())
    assert (distances[~np.eye(9, dtype=bool)] == 9).all()


def test_each_order_is_the_farthest_of_all_from_those_before_it():
    """The greedy choice, searched again the slow way for the first, the tenth and the eleventh that has a choice."""
    orders = far_apart(12).numpy()
    every = np.array(list(permutations(range(9))))
    for taken in (1, 9, 10):
        distances = (every[:, None] != orders[None, :taken]).sum(2)
        free = distances.min(1) > 0
        assert (distances[free].mean(1) <= (orders[taken] != orders[:taken]).sum(1).mean() + 1e-9).all()


def test_many_orders_are_farther_apart_than_drawn_ones():
    """Drawn permutations differ in 8 places on average; what greed gains is that none are near each other."""
    off = ~np.eye(60, dtype=bool)
    chosen = hamming(far_apart(60).numpy())[off]
    generator = np.random.default_rng(0)
    drawn = hamming(np.stack([generator.permutation(9) for _ in range(60)]))[off]
    assert chosen.mean() > drawn.mean()
    assert chosen.min() > drawn.min()


def test_answers_are_uniform_and_new_in_each_step(modules):
    answers = modules.dealt(torch.arange(3000), 4).flatten()
    count = modules.settings.permutations
    shares = answers.bincount(minlength=count) / len(answers)
    assert shares.tolist() == pytest.approx([1 / count] * count, abs=4 * (1 / count / len(answers)) ** 0.5)
    assert not torch.equal(modules.dealt(torch.arange(3000), 5).flatten(), answers)


def test_tiles_have_mean_0_and_deviation_1_in_each_channel(modules):
    batch = batch_of(5)
    tiles = modules.tiles(batch.views[0], batch.index, batch.step)
    assert tiles.shape == (5, 9, 3, 6, 6)
    torch.testing.assert_close(tiles.mean((3, 4)), torch.zeros(5, 9, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(tiles.std((3, 4), correction=0), torch.ones(5, 9, 3), atol=1e-3, rtol=0)


def test_channels_are_shifted_by_no_more_than_told(run_of):
    method = Jigsaw(tile=6, cell=8, channel_jitter=2, permutations=3, hidden=4, tile_width=4)
    modules = method.modules(run_of("jigsaw").backbone.encoder(), Context(0, 30, 48))
    x = torch.arange(30.0).expand(3, 30, 30)
    place = torch.stack((x[0] + 1000 * x[0].T,) * 3)[None].expand(40, -1, -1, -1)  # a pixel's value is its place
    corners = cut_corners(modules, place)
    apart = (corners - corners[:, :, :1]).abs()
    assert apart.max() == 4
    assert apart.min() == 0
    assert len(apart.unique()) > 2


def cut_corners(modules, place):
    """Where in the view each channel of each tile begins, read from the pixels: (B, 9, 3, 2)."""
    kept = []
    usual = jigsaw.standardised
    jigsaw.standardised = lambda tiles, dims: kept.append(tiles) or usual(tiles, dims)
    try:
        modules.tiles(place, torch.arange(len(place)), 0)
    finally:
        jigsaw.standardised = usual
    centre = kept[0][..., 3, 3]  # edges may repeat
    return torch.stack((centre // 1000, centre % 1000), -1)


def test_loss_is_the_cross_entropy_of_the_order_in_which_tiles_are_dealt(training):
    """Tiles are put in their order as pixels here, one after the other, and the rest is NumPy."""
    modules, _ = training("jigsaw", "method.deals=2", "method.dropout=0").make()
    modules.eval()
    batch = batch_of(3)
    state = {k: v.double().numpy() for k, v in modules.state_dict().items()}
    tiles = modules.tiles(batch.views[0], batch.index, batch.step)
    losses = []
    for crop, answers in enumerate(modules.dealt(batch.index, batch.step).tolist()):
        for answer in answers:
            dealt = tiles[crop, far_apart(modules.settings.permutations)[answer]]
            with torch.no_grad():
                features = np.stack([modules.encoder.embed(tile[None])[0].double().numpy() for tile in dealt])
            h = np.maximum(features @ state["each.0.weight"].T + state["each.0.bias"], 0).reshape(-1)
            h = np.maximum(state["head.0.weight"] @ h + state["head.0.bias"], 0)
            z = state["head.3.weight"] @ h + state["head.3.bias"]
            losses.append(np.log(np.exp(z).sum()) - z[answer])
    assert len(losses) == 6
    assert modules.loss(batch).item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_noise_has_no_order(modules):
    noise = batch_of(200).views[0]
    found = {d.metric: d for d in modules.eval().diagnostics(Batch([noise], torch.arange(200), blank=[noise]))}
    assert found["order accuracy on noise"].value == pytest.approx(100 / modules.settings.permutations, abs=8)
    assert found["order accuracy on noise"].better == "lower"
