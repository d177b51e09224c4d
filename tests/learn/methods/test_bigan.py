"""Laws of BiGAN, its losses against NumPy."""

import numpy as np
import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.learn.methods.base import Batch, Context
from augstudy.learn.methods.bigan import BiGAN, Discriminator, Generator

SMALL = {"latent": 5, "generator_width": 4, "discriminator_width": 4}


@pytest.fixture
def modules(run_of):
    torch.manual_seed(0)
    made = BiGAN(**SMALL).modules(run_of("bigan").backbone.encoder(), Context(0, 16, 48))
    torch.nn.init.normal_(made.discriminator.last.weight)  # it starts at 0, where all logits are equal
    return made.train()


@pytest.fixture
def batch():
    return Batch([torch.rand(6, 3, 16, 16) * 2 - 1], torch.arange(6), step=3)


def seen(modules, batch):
    """What the discriminator was given and what it said while the losses were taken."""
    kept = []
    handle = modules.discriminator.register_forward_hook(lambda module, given, said: kept.append((*given, said)))
    losses = modules.loss(batch)
    handle.remove()
    assert [len(said) for _, _, said in kept] == [len(batch.index)] * 2  # real pairs, made pairs
    return losses, *(torch.cat(parts).detach() for parts in zip(*kept, strict=True))


def bce(logits, labels):
    p = 1 / (1 + np.exp(-logits))
    return -np.mean(labels * np.log(p) + (1 - labels) * np.log(1 - p))


def test_makers_want_what_the_discriminator_does_not(modules, batch):
    losses, _, _, logits = seen(modules, batch)
    logits, truth = logits.double().numpy(), np.r_[np.ones(6), np.zeros(6)]
    assert losses["discriminator"].item() == pytest.approx(bce(logits, truth), rel=1e-5)
    assert losses["makers"].item() == pytest.approx(bce(logits, 1 - truth), rel=1e-5)


def test_discriminator_sees_images_with_their_codes_and_codes_with_their_images(modules, batch):
    modules.eval()
    _, x, z, _ = seen(modules, batch)
    assert torch.equal(x[:6], batch.views[0])
    torch.testing.assert_close(z[:6], modules.encode(x[:6]).detach())
    torch.testing.assert_close(x[6:], modules.generator(z[6:]).detach())


def normed_apart(discriminator, x, z):
    """The published discriminator on one kind of pairs: batch statistics of its own, z shifting what is normed."""
    h = torch.nn.functional.leaky_relu(discriminator.first(x), 0.2)
    for conv, norm, shift in zip(discriminator.convs, discriminator.norms, discriminator.shifts, strict=True):
        h = conv(h) + (z @ shift.weight.T)[:, :, None, None]
        h = (h - h.mean((0, 2, 3), keepdim=True)) / (h.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
        h = h * norm.weight[:, None, None] + norm.bias[:, None, None]
        h = torch.nn.functional.leaky_relu(h, 0.2)
    return (torch.cat((h.flatten(1), z), 1) @ discriminator.last.weight.T + discriminator.last.bias)[:, 0]


def test_real_and_made_pairs_are_normed_apart_and_with_their_z(modules, batch):
    for norm in modules.discriminator.norms:
        torch.nn.init.uniform_(norm.weight)
        torch.nn.init.normal_(norm.bias)
    _, x, z, logits = seen(modules, batch)
    wanted = torch.cat([normed_apart(modules.discriminator, x[half], z[half]) for half in (slice(6), slice(6, None))])
    torch.testing.assert_close(logits, wanted.detach(), rtol=1e-4, atol=1e-5)


def test_all_but_the_scales_of_norms_decay(modules):
    optimizers = BiGAN(**SMALL).optimizers(modules)
    assert optimizers.keys() == {"discriminator", "makers"}
    names = {id(p): name for name, p in modules.named_parameters()}
    decay = {names[id(p)]: g["weight_decay"] for o in optimizers.values() for g in o.param_groups for p in g["params"]}
    assert decay.keys() == set(names.values())
    free = {name for name, share in decay.items() if share == 0}
    scales = {f"{n}.weight" for n, m in modules.named_modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)}
    assert free == scales
    assert len(free) > 4
    assert {share for name, share in decay.items() if name not in free} == {2.5e-5}


def test_code_and_z_share_their_support(modules, batch):
    _, x, z, _ = seen(modules, batch)
    assert z[:6].abs().max() < 1
    assert z[6:].abs().max() <= 1
    assert x.abs().max() <= 1


def test_z_is_uniform_and_new_in_each_step(modules):
    batches = [Batch([torch.zeros(64, 3, 16, 16)], torch.arange(64), step=step) for step in range(8)]
    z = torch.stack([seen(modules, batch)[2][64:] for batch in batches])  # (8, 64, 5)
    assert not torch.equal(z[0], z[1])
    assert abs(z.mean()) < 4 / np.sqrt(3 * z.numel())
    assert z.var().item() == pytest.approx(1 / 3, rel=0.05)
    assert torch.equal(z[0], seen(modules, batches[0])[2][64:])


def test_a_discriminator_that_knows_nothing_pays_log_2(run_of, batch):
    modules = BiGAN(**SMALL).modules(run_of("bigan").backbone.encoder(), Context(0, 16, 48))
    torch.nn.init.zeros_(modules.discriminator.last.bias)
    losses = modules.loss(batch)
    for loss in losses.values():
        assert loss.item() == pytest.approx(np.log(2))


@pytest.mark.parametrize("size", [8, 16, 32, 64])
def test_networks_fit_the_size_of_the_view(size):
    z = torch.rand(2, 5) * 2 - 1
    x = Generator(5, size, 2)(z)
    assert x.shape == (2, 3, size, size)
    assert Discriminator(5, size, 2)(x, z).shape == (2,)


def test_channels_double_with_each_stage_from_the_image():
    convs = [m for m in Discriminator(5, 64, 8).modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.out_channels for m in convs] == [8, 16, 32, 64]
    deconvs = [m for m in Generator(5, 64, 8).modules() if isinstance(m, torch.nn.ConvTranspose2d)]
    assert [m.in_channels for m in deconvs] == [64, 32, 16, 8]


@pytest.mark.parametrize("size", [4, 12, 24, 30, 33, 100])
@pytest.mark.parametrize("key", ["view", "generator"])
def test_another_size_says_what_and_what_to_do(size, key, run_of):
    method, view = (BiGAN(**SMALL), size) if key == "view" else (BiGAN(**SMALL, generator_size=size), 128)
    with pytest.raises(UserError, match=f"images of 8, 16, 32, 64, ... px, not of {size}") as caught:
        method.modules(run_of("bigan").backbone.encoder(), Context(0, view, 48))
    assert "view.size" in caught.value.fix
    assert "method.generator_size" in caught.value.fix


@pytest.fixture
def two_sizes(run_of):
    """An encoder of 28 px views with a generator of 16 px, as 112 and 64 are on ImageNet."""
    torch.manual_seed(0)
    return BiGAN(**SMALL, generator_size=16).modules(run_of("bigan").backbone.encoder(), Context(0, 28, 48)).train()


def test_encoder_sees_the_view_and_the_discriminator_a_smaller_one(two_sizes):
    batch = Batch([torch.rand(6, 3, 28, 28) * 2 - 1], torch.arange(6))
    sides = []
    two_sizes.encoder.register_forward_pre_hook(lambda module, given: sides.append(given[0].shape[-1]))
    _, x, _, _ = seen(two_sizes.eval(), batch)
    assert sides == [28]
    assert x.shape == (12, 3, 16, 16)
    torch.testing.assert_close(x[:6], two_sizes.small(batch.views[0]))


def test_smaller_views_are_antialiased(two_sizes):
    stripes = torch.ones(1, 3, 64, 64)
    stripes[..., ::2] = -1
    assert two_sizes.small(stripes).abs().max() < 0.1
    flat = torch.full((1, 3, 28, 28), 0.3)
    torch.testing.assert_close(two_sizes.small(flat), torch.full((1, 3, 16, 16), 0.3))
    same = torch.rand(1, 3, 16, 16)
    assert two_sizes.small(same) is same


def test_a_generator_larger_than_the_view_is_refused(run_of):
    with pytest.raises(UserError, match="generator_size 64 is more than the view's 32 px"):
        BiGAN(**SMALL, generator_size=64).modules(run_of("bigan").backbone.encoder(), Context(0, 32, 48))


def test_pictures_are_samples_and_crops_each_before_its_reconstruction(two_sizes):
    batch = Batch([torch.rand(6, 3, 28, 28) * 2 - 1], torch.arange(6))
    with torch.no_grad():
        pictures = two_sizes.eval().pictures(batch)
        again = two_sizes.generator(two_sizes.encode(batch.views[0]))
    assert pictures["samples"].shape == (6, 3, 16, 16)
    assert torch.equal(pictures["reconstructions"][::2], two_sizes.small(batch.views[0]))
    torch.testing.assert_close(pictures["reconstructions"][1::2], again)
