"""Laws of what all methods share: schedules, optimisers, and the ranges of settings."""

import math

import pytest
import torch
from torch import nn

from augstudy.core.errors import UserError
from augstudy.learn.lars import LARS
from augstudy.learn.methods.bigan import BiGAN
from augstudy.learn.methods.byol import BYOL
from augstudy.learn.methods.deepcluster import DeepCluster
from augstudy.learn.methods.deepcluster_v2 import DeepClusterV2
from augstudy.learn.methods.moco import MoCo
from augstudy.learn.methods.nnclr import NNCLR
from augstudy.learn.methods.rotnet import RotNet
from augstudy.learn.methods.sela import Sela
from augstudy.learn.methods.sela_v2 import SelaV2
from augstudy.learn.methods.simclr import SimCLR
from augstudy.learn.methods.swav import SwAV


def shares(*progress, **settings):
    return [RotNet(**{"milestones": ()} | settings).lr_share(p) for p in progress]


def test_constant_schedule_stays():
    assert shares(0, 0.5, 1, schedule="constant") == [1, 1, 1]


def test_cosine_schedule_goes_from_all_to_nothing():
    assert shares(0, 0.5, 1, schedule="cosine") == pytest.approx([1, 0.5, 0])


def test_steps_multiply_by_gamma_at_each_milestone():
    at = (0, 0.29, 0.3, 0.59, 0.6, 1)
    assert shares(*at, schedule="steps", milestones=(0.3, 0.6)) == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_exponential_is_constant_until_the_milestone_then_falls_to_gamma():
    at = (0, 0.5, 0.75, 1)
    assert shares(*at, schedule="exponential", milestones=(0.5,), gamma=0.01) == pytest.approx([1, 1, 0.1, 0.01])
    assert shares(0, 0.5, 1, schedule="exponential", gamma=0.01) == pytest.approx([1, 0.1, 0.01])
    assert shares(0, 1, schedule="exponential", milestones=(1.0,)) == [1, 1]


@pytest.mark.parametrize("schedule", ["constant", "cosine", "steps", "exponential"])
def test_warmup_rises_from_nothing_to_all_in_a_straight_line(schedule):
    at = (0, 0.05, 0.1)
    assert shares(*at, schedule=schedule, warmup=0.1, milestones=(0.5,)) == pytest.approx([0, 0.5, 1])


def test_cosine_after_a_warmup_still_ends_at_nothing():
    assert shares(0.2, 0.6, 1, schedule="cosine", warmup=0.2) == pytest.approx([1, 0.5, 0])


def test_published_schedules():
    """RotNet divides by 10 after 15, 30 and 45 of 50 epochs; BiGAN's second half falls to a hundredth."""
    rotnet = [RotNet().lr * RotNet().lr_share(epoch / 50) for epoch in (0, 14, 15, 29, 30, 44, 45, 49)]
    assert rotnet == pytest.approx([0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])
    assert [BiGAN().lr_share(p) for p in (0, 0.5, 1)] == pytest.approx([1, 1, 0.01])


@pytest.mark.parametrize(
    ("optimizer", "kind"),
    [("sgd", torch.optim.SGD), ("lars", LARS), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)],
)
def test_optimizer_is_the_one_named_with_the_settings_given(optimizer, kind):
    made = RotNet(optimizer=optimizer, lr=0.3, momentum=0.7, weight_decay=0.01).optimizer_for(
        nn.Linear(2, 2).parameters()
    )
    assert type(made) is kind
    assert made.defaults["lr"] == 0.3
    assert made.defaults["weight_decay"] == 0.01
    assert (made.defaults["momentum"] if optimizer in ("sgd", "lars") else made.defaults["betas"][0]) == 0.7


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": -1},
        {"batch_size": 1},
        {"optimizer": "lamb"},
        {"lr": -0.1},
        {"lr": math.nan},
        {"momentum": 1.0},
        {"weight_decay": -1e-4},
        {"schedule": "linear"},
        {"milestones": (0.5, 1.5)},
        {"gamma": 2.0},
        {"warmup": 1.5},
        {"momentum": 0.0, "nesterov": True},
    ],
)
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError) as caught:
        RotNet(**wrong)
    assert next(iter(wrong)) in caught.value.what
    assert caught.value.fix


@pytest.mark.parametrize(
    "wrong", [{"dim": 0}, {"queue": 0}, {"ema": 1.1}, {"temperature": 0.0}, {"bn_splits": 65, "batch_size": 128}]
)
def test_a_moco_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        MoCo(**wrong)


@pytest.mark.parametrize(
    ("method", "wrong"),
    [
        (BiGAN, {"latent": 0}),
        (BiGAN, {"generator_size": -1}),
        (DeepCluster, {"clusters": 1}),
        (DeepCluster, {"centre": 4}),
        (DeepCluster, {"seeding": "best"}),
        (DeepClusterV2, {"prototypes": ()}),
        (DeepClusterV2, {"prototypes": (3000, 1)}),
        (DeepClusterV2, {"temperature": 0.0}),
        (DeepClusterV2, {"dim": 0}),
        (DeepClusterV2, {"seeding": "best"}),
        (Sela, {"clusters": 1}),
        (Sela, {"heads": 0}),
        (Sela, {"rounds": 1}),
        (SelaV2, {"rounds": 1}),
        (Sela, {"sharpness": 0.0}),
        (Sela, {"optimisations": 0}),
        (SelaV2, {"prototypes": ()}),
        (SelaV2, {"epsilon": 0.0}),
        (SelaV2, {"tolerance": 0.0}),
        (SwAV, {"prototypes": 1}),
        (SwAV, {"epsilon": 0.0}),
        (SwAV, {"queue": -1}),
        (SwAV, {"frozen": -1}),
        (SwAV, {"queue_from": 200}),
    ],
)
def test_a_setting_of_another_method_out_of_range_is_named(method, wrong):
    with pytest.raises(UserError, match=next(iter(wrong))) as caught:
        method(**wrong)
    assert caught.value.fix


@pytest.mark.parametrize("method", [BYOL, NNCLR, SimCLR, SwAV, DeepClusterV2, SelaV2])
def test_lars_leaves_biases_and_norms_out_where_the_published_one_does(method):
    norm = nn.BatchNorm1d(3)
    optimizer = method(lr=1.0, momentum=0.0, weight_decay=0.1).optimizer_for(norm.parameters())
    for p in norm.parameters():
        p.grad = torch.full_like(p, 0.5)
    optimizer.step()
    apex = method in (SwAV, DeepClusterV2, SelaV2)
    rate = 1e-3 * 3**0.5 / (0.5 * 3**0.5 + 0.1 * 3**0.5) if apex else 1.0
    torch.testing.assert_close(norm.weight, torch.full((3,), 1 - rate * (0.6 if apex else 0.5)))
    torch.testing.assert_close(norm.bias, torch.full((3,), -0.5))  # from 0 on, which has no length to scale by


def test_lars_without_decay_is_refused():
    with pytest.raises(UserError, match="lars needs a weight_decay above 0"):
        DeepClusterV2(weight_decay=0)
