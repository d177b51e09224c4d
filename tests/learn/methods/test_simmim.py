"""Laws of SimMIM: units are hidden whole, the encoder sees where but not what, and the loss is a slow reference's."""

import numpy as np
import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.learn.backbones.vit import ViT
from augstudy.learn.methods.base import Batch, Context
from augstudy.learn.methods.simmim import SimMIM

SMALL = SimMIM(batch_size=8, mask_size=8)
BACKBONE = ViT(dim=12, depth=2, heads=2, patch=4, image=32)


@pytest.fixture
def modules():
    torch.manual_seed(0)
    return SMALL.modules(BACKBONE.encoder(), Context(3, 32, 64)).eval()


def batch(n=8):
    return Batch([torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1], torch.arange(n))


def test_units_are_hidden_whole_and_as_many_as_the_ratio_says(modules):
    square = modules.hidden(batch()).view(8, 4, 2, 4, 2)
    assert torch.equal(square, square[:, :, :1, :, :1].expand_as(square))
    assert (square[:, :, 0, :, 0].flatten(1).sum(1) == 10).all()  # 0.6 of 16, rounded up


def test_published_masking_hides_thirty_of_forty_nine_units():
    with torch.device("meta"):
        modules = SimMIM().modules(ViT().encoder(), Context(0, 224, 1))
    assert modules.units == 49
    modules.vit = ViT(dim=6).encoder()
    hidden = modules.hidden(batch(2))
    assert hidden.shape == (2, 196)
    assert (hidden.sum(1) == 30 * 4).all()


def test_loss_is_the_mean_distance_of_hidden_pixels_alone(modules):
    hidden = modules.hidden(batch())
    said = modules.said(batch().views[0], hidden).detach().double().numpy()
    errors = []
    for image, guess, mask in zip(batch().views[0].double().numpy(), said, hidden.numpy(), strict=True):
        for i in range(64):
            r, c = 4 * (i // 8), 4 * (i % 8)
            if mask[i]:
                errors.append(np.abs(guess[i].reshape(4, 4, 3) - image[:, r : r + 4, c : c + 4].transpose(1, 2, 0)))
    assert modules.loss(batch()).item() == pytest.approx(np.mean(errors), rel=1e-5)


def test_what_stands_in_hidden_patches_is_not_seen_but_where_they_are_is(modules):
    x, hidden = batch().views[0], modules.hidden(batch())
    pixels = hidden.view(8, 1, 8, 8).repeat_interleave(4, 2).repeat_interleave(4, 3)
    other = torch.where(pixels, torch.rand_like(x), x)
    assert torch.equal(modules.said(x, hidden), modules.said(other, hidden))
    assert not torch.equal(modules.said(x, hidden), modules.said(x, hidden.roll(1, 0)))


def test_with_nothing_hidden_the_encoder_is_the_one_that_is_probed(modules):
    x, given = batch().views[0], []
    modules.head.register_forward_pre_hook(lambda module, args: given.append(args[0]))
    modules.said(x, torch.zeros(8, 64, dtype=torch.bool))
    torch.testing.assert_close(given[0], modules.vit.encoded(modules.vit.embedding(x))[:, 1:])


def test_chance_of_flat_patches_is_zero_within_them(modules):
    """Pictures of one colour a patch have no texture to predict; of one colour in all, no error remains."""
    flat = torch.rand(8, 3, 8, 8).repeat_interleave(4, 2).repeat_interleave(4, 3)
    found = {d.metric: d for d in modules.diagnostics(Batch([flat], torch.arange(8)))}
    assert found["reconstruction error within patches"].chance == pytest.approx(0, abs=1e-6)
    assert found["reconstruction error"].chance > 0.1
    found = modules.diagnostics(Batch([torch.full((8, 3, 32, 32), 0.3)], torch.arange(8)))
    assert [d.chance for d in found] == pytest.approx([0, 0], abs=1e-6)


def test_gradients_are_clipped_together(modules):
    loss = modules.loss(batch())
    (1e6 * loss).backward()
    modules.before_step()
    lengths = [p.grad.norm() for p in modules.parameters() if p.grad is not None]
    assert torch.stack(lengths).norm().item() == pytest.approx(5, rel=1e-3)


def test_pictures_show_what_was_seen_as_it_was(modules):
    found = modules.pictures(batch())
    hidden = (found["masked"] == 0).all(1)
    assert hidden.float().mean() == 10 / 16
    assert torch.equal(found["reconstruction"].movedim(1, -1)[~hidden], found["input"].movedim(1, -1)[~hidden])


@pytest.mark.parametrize("mask_size", [6, 12])
def test_units_that_do_not_fit_are_told(mask_size):
    with pytest.raises(UserError, match=f"mask_size {mask_size} is no multiple"):
        SimMIM(mask_size=mask_size).modules(BACKBONE.encoder(), Context(0, 32, 64))


def test_vectors_class_token_and_places_do_not_decay(run_of):
    run = run_of("simmim")
    modules = run.method.modules(run.backbone.encoder(), Context(0, run.view.size, 48))
    (optimizer,) = run.method.optimizers(modules).values()
    names = {id(p): name for name, p in modules.named_parameters()}
    free = {names[id(p)] for g in optimizer.param_groups if g["weight_decay"] == 0 for p in g["params"]}
    rest = {names[id(p)] for g in optimizer.param_groups if g["weight_decay"] > 0 for p in g["params"]}
    tables = {name for name in free if dict(modules.named_parameters())[name].ndim > 1}
    assert {name.rpartition(".")[2] for name in tables} == {"cls_token", "pos_embed"}
    assert free | rest == set(names.values())
    assert all(dict(modules.named_parameters())[name].ndim > 1 for name in rest)
