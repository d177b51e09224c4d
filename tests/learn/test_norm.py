"""Batch norm in parts is that of the parts by themselves, whose statistics move once a batch."""

import copy

import pytest
import torch
from torch import nn

from augstudy.learn.norm import Parted, parted


def network():
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.BatchNorm1d(4 * 36))
    for norm in (made[1], made[3]):
        nn.init.uniform_(norm.weight)
        nn.init.normal_(norm.bias)
    return made.double()


def images(count):
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.double) * 3 + 1


@pytest.mark.parametrize(("count", "parts"), [(12, 3), (11, 4), (8, 4), (6, 1)])
def test_outputs_and_gradients_are_those_of_the_parts_by_themselves(count, parts):
    whole, alone = network(), network()
    parted(whole, parts)
    x = images(count)
    of_parts = torch.cat([alone(part) for part in x.tensor_split(parts)])
    found = whole(x)
    torch.testing.assert_close(found, of_parts)
    for y in (found, of_parts):
        y.square().sum().backward()
    for a, b in zip(whole.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("parts", [2, 3])
def test_statistics_move_once_a_batch_towards_the_mean_of_the_parts(parts):
    norm = network()[1]
    devices = [copy.deepcopy(norm) for _ in range(parts)]
    parted(norm, parts)
    for step in range(3):
        x = torch.rand(12, 4, 5, 5, generator=torch.Generator().manual_seed(step), dtype=torch.double)
        norm(x)
        for device, part in zip(devices, x.chunk(parts), strict=True):
            device(part)
    for name in ("running_mean", "running_var"):
        mean = torch.stack([getattr(device, name) for device in devices]).mean(0)
        torch.testing.assert_close(getattr(norm, name), mean)
    assert norm.num_batches_tracked == 3


def test_names_weights_and_what_is_judged_stay_as_they_are():
    usual, whole = network(), network()
    parted(whole, 4)
    assert sum(isinstance(part, Parted) for part in whole) == 2
    assert list(whole.state_dict()) == list(usual.state_dict())
    whole.load_state_dict(usual.state_dict())
    x = images(10)
    assert torch.equal(whole.eval()(x), usual.eval()(x))
