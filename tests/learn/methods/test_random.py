"""Laws of random weights."""

import math

import pytest
import torch

from augstudy.core import rng
from augstudy.core.errors import UserError
from augstudy.learn.backbones.base import fingerprint
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.methods.base import Context
from augstudy.learn.methods.random import Random


def weights(init, seed=0):
    """(outputs, inputs x kernel) weights of the third layer of an encoder that was initialised this way."""
    with rng.torch_seeded(seed, "test"):
        encoder = Conv4().encoder()
        Random(init=init).modules(encoder, Context(seed, 32, 48))
    return next(m for m in encoder.blocks["conv3"].modules() if isinstance(m, torch.nn.Conv2d)).weight.flatten(1)


def test_he_is_normal_with_two_over_the_fan_in_as_variance():
    w = weights("he")
    assert w.std().item() == pytest.approx(math.sqrt(2 / w.shape[1]), rel=0.02)
    kurtosis = (w**4).mean() / (w**2).mean() ** 2
    assert kurtosis.item() == pytest.approx(3, rel=0.05)


def test_torch_is_uniform_up_to_one_over_the_root_of_the_fan_in():
    w = weights("torch")
    bound = 1 / math.sqrt(w.shape[1])
    assert w.abs().max() <= bound
    assert w.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_orthogonal_filters_are_orthogonal_and_scaled_for_the_relu():
    w = weights("orthogonal")
    torch.testing.assert_close(w @ w.T, 2 * torch.eye(len(w)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("init", ["he", "torch", "orthogonal"])
def test_weights_are_a_function_of_the_seed(init):
    assert torch.equal(weights(init), weights(init))
    assert not torch.equal(weights(init), weights(init, seed=1))


def test_a_run_without_the_setting_begins_where_every_trained_one_begins(training):
    trained = training("rotnet").make()[0].encoder
    assert fingerprint(training("random").make()[0].encoder) == fingerprint(trained)
    other = training("random", "rows=[{label: one, method: {name: random, init: torch}}]")
    assert fingerprint(other.make()[0].encoder) != fingerprint(trained)


def test_an_unknown_init_is_named_with_those_there_are():
    with pytest.raises(UserError, match="init is 'xavier'") as caught:
        Random(init="xavier")
    assert "orthogonal" in caught.value.fix
