"""Laws of RotNet."""

import numpy as np
import pytest
import torch

from augstudy.learn.methods.base import Batch
from augstudy.learn.methods.rotnet import quarter_turns


def test_all_four_rotations_are_exact_and_labelled_by_their_quarter_turns():
    x = torch.rand(3, 3, 6, 6)
    turned, turns = quarter_turns(x)
    assert turned.shape == (12, 3, 6, 6)
    for k in range(4):
        group = turned[turns == k]
        assert np.array_equal(group.numpy(), np.rot90(x.numpy(), k, axes=(2, 3)))


def test_every_image_comes_in_all_four(training):
    x = torch.arange(2 * 3 * 4, dtype=torch.float).view(2, 3, 2, 2)
    turned, turns = quarter_turns(x)
    assert turns.bincount().tolist() == [2, 2, 2, 2]
    sums = turned.flatten(1).sum(1).view(4, 2)
    assert torch.equal(sums, x.flatten(1).sum(1).expand(4, 2))


def test_loss_is_log_4_for_a_head_that_knows_nothing(training):
    pretraining = training("rotnet")
    modules, _ = pretraining.make()
    torch.nn.init.zeros_(modules.head.weight)
    torch.nn.init.zeros_(modules.head.bias)
    loss = modules.loss(pretraining.batch(torch.arange(8), 0))
    torch.testing.assert_close(loss, torch.tensor(4.0).log())


def test_a_single_batch_can_be_learnt(training):
    pretraining = training("rotnet", "method.lr=0.05")
    modules, optimizers = pretraining.make()
    batch = pretraining.batch(torch.arange(8), 0)
    pretraining._set_lr(optimizers, 0.0)
    losses = [pretraining._step(batch, modules, optimizers).item() for _ in range(30)]
    assert losses[-1] < 0.7 * losses[0]


def test_loss_is_cross_entropy_over_the_four_turns(training):
    pretraining = training("rotnet")
    modules, _ = pretraining.make()
    batch = pretraining.batch(torch.arange(5), 0)
    modules.eval()
    losses = []
    for k in range(4):
        x = torch.from_numpy(np.rot90(batch.views[0].numpy(), k, axes=(2, 3)).copy())
        with torch.no_grad():
            logits = modules.head(modules.encoder.embed(x)).double().numpy()
        losses += [np.log(np.exp(row).sum()) - row[k] for row in logits]
    assert modules.loss(batch).item() == pytest.approx(np.mean(losses), rel=1e-5)


def darkest_edge(x):
    """What a network that knows nothing but a black border would go by: (B, 4), turns by where the top now is."""
    return -torch.stack([x[..., 0, :], x[..., 0], x[..., -1, :], x[..., -1]], 1).mean((2, 3))


def test_a_border_that_gives_the_turn_away_shows_on_noise(training, monkeypatch):
    pretraining = training("rotnet")
    modules, _ = pretraining.make()
    monkeypatch.setattr(modules.encoder, "embed", darkest_edge)
    modules.head = torch.nn.Identity()
    noise = torch.rand(200, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    marked = noise.clone()
    marked[..., 0, :] = -1
    found = [
        {d.metric: d.value for d in modules.diagnostics(Batch([noise], torch.arange(200), blank=[blank]))}
        for blank in (noise, marked)
    ]
    assert found[0]["rotation accuracy on noise"] == pytest.approx(25, abs=6)
    assert found[1]["rotation accuracy on noise"] == 100


def test_an_untrained_network_finds_no_shortcut_in_our_crops(training):
    pretraining = training("rotnet")
    modules, _ = pretraining.make()
    found = {d.metric: d for d in pretraining._judge(modules)}
    assert found["rotation accuracy on noise"].value == pytest.approx(25, abs=5)
    assert found["rotation accuracy on noise"].better == "lower"
