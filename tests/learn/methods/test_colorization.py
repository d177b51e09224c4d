"""Laws of colorization, its loss against NumPy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from augstudy.core.errors import UserError
from augstudy.learn.backbones.base import signed
from augstudy.learn.gamut import balance, bins, lab_of
from augstudy.learn.methods.base import Batch, Context
from augstudy.learn.methods.colorization import Colorization


@pytest.fixture
def prepared(training):
    pretraining = training("colorization")
    modules, _ = pretraining.make()
    modules.before_epoch(0, pretraining.source)
    return pretraining, modules


def test_loss_is_the_weighted_cross_entropy_of_soft_labels(prepared):
    pretraining, modules = prepared
    modules.eval()
    batch = pretraining.batch(torch.arange(3), 0)
    light, ab = lab_of(batch.views[0])
    with torch.no_grad():
        logits = modules.logits(light).double().numpy()
    ab = interpolate(ab, (4, 4), mode="area").numpy()
    centres, weights, losses = bins().numpy(), modules.weights.numpy(), []
    for b in range(3):
        for y in range(4):
            for x in range(4):
                distance = ((centres - ab[b, :, y, x]) ** 2).sum(1)
                near = np.argsort(distance)[:5]
                shares = np.exp(-distance[near] / 50)
                z = logits[b, :, y, x]
                told = z[near] - np.log(np.exp(z).sum())
                losses.append(-weights[near[0]] * (shares / shares.sum() * told).sum())
    assert modules.loss(batch).item() == pytest.approx(np.mean(losses), rel=1e-3)


def test_the_prior_is_that_of_the_crops(prepared):
    pretraining, modules = prepared
    _, ab = lab_of(signed(pretraining.source.batch(torch.arange(48))))
    pixels, centres = ab.permute(0, 2, 3, 1).reshape(-1, 2), bins()
    nearest = (pixels[:, None] - centres).square().sum(2).argmin(1)
    prior = nearest.bincount(minlength=len(centres)) / len(pixels)
    torch.testing.assert_close(modules.weights, balance(prior, centres, 0.5), rtol=1e-3, atol=1e-5)


def test_the_prior_is_counted_once(prepared):
    pretraining, modules = prepared
    modules.weights.fill_(2)
    modules.before_epoch(1, pretraining.source)
    assert (modules.weights == 2).all()


def test_the_encoder_sees_no_colour(prepared):
    pretraining, modules = prepared
    seen = []
    modules.encoder.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    batch = pretraining.batch(torch.arange(2), 0)
    modules.loss(batch)
    assert seen[0].shape == batch.views[0].shape
    assert torch.equal(seen[0][:, 0], seen[0][:, 1])
    assert torch.equal(seen[0][:, 0], seen[0][:, 2])
    torch.testing.assert_close(seen[0][:, :1], lab_of(batch.views[0])[0])


def test_who_says_the_best_constant_gets_exactly_chance(prepared, monkeypatch):
    """The chance beside the cross-entropy is what the mean label, said everywhere, would get."""
    pretraining, modules = prepared
    batch = pretraining.batch(torch.arange(8), 0)
    _, numbers, shares, weights = modules.scored(batch.views[0])
    constant = np.zeros(len(bins()))
    for chosen, share, weight in zip(numbers.tolist(), shares.double().numpy(), weights.tolist(), strict=True):
        constant[chosen] += weight * share
    constant = torch.from_numpy(np.log(constant / constant.sum() + 1e-12)).float()
    monkeypatch.setattr(
        modules,
        "logits",
        lambda light: constant[None, :, None, None].expand(len(light), -1, modules.side, modules.side),
    )
    for d in modules.diagnostics(batch):
        assert d.value == pytest.approx(d.chance, rel=1e-4)


def test_pictures_are_grey_coloured_and_true(prepared):
    pretraining, modules = prepared
    batch = pretraining.batch(torch.arange(4), 0)
    with torch.no_grad():
        threes = modules.eval().pictures(batch)["colours"].view(4, 3, 3, 16, 16)
    assert (threes[:, 0] - threes[:, 0, :1]).abs().max() < 0.02
    assert torch.equal(threes[:, 2], batch.views[0])
    assert threes.abs().max() <= 1.001


def test_annealing_goes_from_the_mean_to_the_mode(prepared, monkeypatch):
    _, modules = prepared
    batch = Batch([torch.zeros(1, 3, 16, 16)], torch.arange(1))
    peaked = torch.zeros(1, len(bins()), 4, 4)
    peaked[:, 200] = 6
    monkeypatch.setattr(modules, "logits", lambda light: peaked)
    found = []
    for temperature in (1.0, 0.38, 0.05):
        modules.settings = replace(modules.settings, temperature=temperature)
        _, ab = lab_of(modules.pictures(batch)["colours"][1:2])
        found.append((ab[0, :, 8, 8] - bins()[200]).norm().item())
    assert found[0] > found[1] > found[2]


def test_sides_that_do_not_divide_are_refused(run_of):
    with pytest.raises(UserError, match="multiple of 16 px, not 24") as caught:
        Colorization().modules(run_of("colorization").backbone.encoder(), Context(0, 24, 48))
    assert "view.size" in caught.value.fix
