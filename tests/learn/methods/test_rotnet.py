"""Laws of RotNet."""

import numpy as np
import torch

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
