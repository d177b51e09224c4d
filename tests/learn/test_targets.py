"""Targets are probabilities: a centre taken off, or marginals that Sinkhorn-Knopp makes even."""

import numpy as np
import pytest
import torch

from augstudy.learn.targets import centred, sinkhorn


def logits(n=12, k=5, scale=1.0):
    return scale * torch.randn(n, k, generator=torch.Generator().manual_seed(0))


def test_centred_is_the_softmax_of_what_is_not_common():
    center, x = torch.tensor([0.3, -1.0, 0.0, 2.0, 0.5]), logits()
    scores = np.exp((x.double().numpy() - center.double().numpy()) / 0.2)
    np.testing.assert_allclose(centred(x, center, 0.2), scores / scores.sum(1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("rounds", [1, 3])
def test_sinkhorn_scales_columns_and_rows_in_turn(rounds):
    x = logits()
    q = np.exp(x.double().numpy() / 0.3)
    for _ in range(rounds):
        q /= q.sum(0, keepdims=True)
        q /= q.sum(1, keepdims=True)
    np.testing.assert_allclose(sinkhorn(x, 0.3, rounds), q, rtol=1e-4)


def test_one_round_is_a_softmax_over_the_batch_made_to_add_up():
    x = logits()
    q = torch.softmax(x / 0.3, 0)
    torch.testing.assert_close(sinkhorn(x, 0.3, 1), q / q.sum(1, keepdim=True))


def test_many_rounds_use_all_prototypes_alike():
    q = sinkhorn(logits().double(), 0.3, 500)
    torch.testing.assert_close(q.sum(1), torch.ones(12))
    torch.testing.assert_close(q.sum(0), torch.full((5,), 12 / 5), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_logits_that_exp_cannot_hold_do_no_harm(dtype):
    q = sinkhorn(logits(scale=50).to(dtype), 0.04, 3)
    assert q.isfinite().all()
    torch.testing.assert_close(q.sum(1), torch.ones(12))
