"""Laws of LARS: lightly's update to the last bit, the paper's in NumPy, and no question to the device on the way."""

import numpy as np
import pytest
import torch
from lightly.utils import lars as lightly
from torch import nn

from augstudy.learn.lars import LARS

SETTINGS = {"lr": 0.3, "momentum": 0.9, "weight_decay": 1e-2}
WHOLE = {"vectors": True}  # as lightly treats the tensors that it is given


def weights():
    """Tensors of several lengths; of one all weights are 0, of another all gradients."""
    torch.manual_seed(0)
    return [nn.Parameter(t) for t in (torch.randn(4, 3), 30 * torch.randn(5), torch.zeros(6), torch.randn(2))]


def gradients(step):
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(4, 3, generator=generator), torch.randn(5, generator=generator), torch.ones(6), torch.zeros(2)]


def after(kind, steps, **settings):
    params = weights()
    optimizer = kind(params, **{**SETTINGS, **settings})
    for step in range(steps):
        for p, g in zip(params, gradients(step), strict=True):
            p.grad = g
        optimizer.step()
    return params, optimizer


@pytest.mark.parametrize("settings", [{}, {"nesterov": True}, {"momentum": 0}, {"weight_decay": 1e-6}], ids=str)
def test_an_update_is_lightlys_to_the_last_bit(settings):
    ours, theirs = after(LARS, 5, **settings, **WHOLE)[0], after(lightly.LARS, 5, **settings)[0]
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_an_update_is_that_of_the_paper():
    params, found = weights(), after(LARS, 3, **WHOLE)[0]
    expected = [p.detach().double().numpy().copy() for p in params]
    buffers = [np.zeros_like(w) for w in expected]
    for step in range(3):
        for w, buffer, g in zip(expected, buffers, gradients(step), strict=True):
            g = g.double().numpy()
            length, slope = np.linalg.norm(w), np.linalg.norm(g)
            if length > 0 and slope > 0:
                g = (g + 1e-2 * w) * 1e-3 * length / (slope + 1e-2 * length)
            buffer *= 0.9
            buffer += g
            w -= 0.3 * buffer
    for p, w in zip(found, expected, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), w, rtol=1e-5, atol=1e-6)


def test_vectors_neither_decay_nor_are_scaled():
    """Biases and the scales of norms take the steps of SGD without decay; matrices are as ever."""
    ours, whole = after(LARS, 5)[0], after(LARS, 5, **WHOLE)[0]
    plain = after(torch.optim.SGD, 5, weight_decay=0)[0]
    assert torch.equal(ours[0], whole[0])
    for number in (1, 2, 3):
        torch.testing.assert_close(ours[number], plain[number], rtol=1e-6, atol=1e-7)
    assert not torch.allclose(ours[1], whole[1])


def test_its_state_resumes_it():
    whole, _ = after(LARS, 4)
    params, optimizer = after(LARS, 2)
    again = LARS(params, lr=1.0)
    again.load_state_dict(optimizer.state_dict())
    for step in (2, 3):
        for p, g in zip(params, gradients(step), strict=True):
            p.grad = g
        again.step()
    assert all(torch.equal(a, b) for a, b in zip(whole, params, strict=True))


def test_a_tensor_without_a_gradient_stays():
    params = weights()
    LARS(params, **SETTINGS).step()
    assert all(torch.equal(a, b) for a, b in zip(params, weights(), strict=True))
