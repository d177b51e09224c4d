"""Laws of the masked autoencoder: what is hidden stays hidden, and the loss is that of a slow reference."""

import numpy as np
import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.backbones.vit import ViT
from augstudy.learn.masked import shuffled
from augstudy.learn.methods.base import Batch, Context
from augstudy.learn.methods.mae import MAE

SMALL = MAE(batch_size=8, decoder_dim=8, decoder_depth=1, decoder_heads=2)
BACKBONE = ViT(dim=12, depth=2, heads=2, patch=4, image=16)


def made(**settings):
    torch.manual_seed(0)
    method = MAE(**{**vars(SMALL), **settings})
    return method.modules(BACKBONE.encoder(), Context(3, 16, 64)).eval()


def batch(step=0, n=8):
    x = torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Batch([x], torch.arange(n), step=step)


def cut(image):
    """Patches of 4 x 4 pixels, row by row, channels last: (16, 48)."""
    parts = [
        image[:, r : r + 4, c : c + 4].transpose(1, 2, 0).ravel() for r in range(0, 16, 4) for c in range(0, 16, 4)
    ]
    return np.stack(parts)


@pytest.mark.parametrize("norm_targets", [True, False])
def test_loss_is_the_squared_error_of_hidden_patches_alone(norm_targets):
    modules, errors = made(norm_targets=norm_targets), []
    order = shuffled(modules.context, "mae", batch(), 16)
    assert modules.seen == 4  # of 16, at a ratio of 0.75
    seen = order[:, :4]
    said = modules.decoder(modules.encoded(batch().views[0], seen), seen).detach().double().numpy()
    for image, kept, guess in zip(batch().views[0].double().numpy(), seen.tolist(), said, strict=True):
        for i, patch in enumerate(cut(image)):
            if i not in kept:
                wanted = (patch - patch.mean()) / np.sqrt(patch.var(ddof=1) + 1e-6) if norm_targets else patch
                errors.append(((guess[i] - wanted) ** 2).mean())
    assert modules.loss(batch()).item() == pytest.approx(np.mean(errors), rel=1e-5)


def test_hidden_tokens_never_reach_the_encoder():
    """Whatever stands in hidden patches, all that the encoder gives is the same, and its blocks see a quarter."""
    modules, lengths = made(), []
    for block in modules.vit.stack:
        block.register_forward_pre_hook(lambda module, given: lengths.append(given[0].sequence.shape[1]))
    order = shuffled(modules.context, "mae", batch(), 16)
    x, other = batch().views[0], batch().views[0].clone()
    for image, hidden in zip(other, order[:, 4:].tolist(), strict=True):
        for i in hidden:
            r, c = 4 * (i // 4), 4 * (i % 4)
            image[:, r : r + 4, c : c + 4] = torch.rand(3, 4, 4)
    assert not torch.equal(x, other)
    assert torch.equal(modules.encoded(x, order[:, :4]), modules.encoded(other, order[:, :4]))
    assert lengths == [1 + 4] * 4  # [CLS] besides
    changed = modules.encoded(x.roll(1, 0), order[:, :4])
    assert not torch.equal(changed, modules.encoded(x, order[:, :4]))


def test_with_all_patches_seen_the_encoder_is_the_one_that_is_probed():
    modules, x = made(), batch().views[0]
    encoded = modules.encoded(x, torch.arange(16).expand(8, -1))
    torch.testing.assert_close(encoded[:, 0], modules.encoder.embed(x))


def test_the_order_of_what_is_seen_does_not_matter():
    modules, x = made(), batch().views[0]
    seen = shuffled(modules.context, "mae", batch(), 16)[:, :4]
    said = [modules.decoder(modules.encoded(x, order), order) for order in (seen, seen.flip(1))]
    torch.testing.assert_close(said[0], said[1], rtol=1e-4, atol=1e-5)


def test_what_is_hidden_is_keyed_by_crop_and_step():
    context = Context(3, 16, 64)
    whole, again, later = (shuffled(context, "mae", batch(step), 16) for step in (0, 0, 1))
    assert torch.equal(whole, again)
    assert not torch.equal(whole, later)
    part = Batch([batch().views[0][3:5]], torch.arange(3, 5))
    assert torch.equal(shuffled(context, "mae", part, 16), whole[3:5])
    counts = shuffled(context, "mae", Batch([], torch.arange(4000)), 16)[:, :4].flatten().bincount()
    assert counts.min() > 900  # 1000 each, five deviations of a binomial are 137


def test_chance_is_an_error_of_one_where_targets_are_normalised():
    found = made().diagnostics(batch())[0]
    assert found.chance == pytest.approx(1, abs=0.05)  # 47 / 48 of the unbiased variance
    assert made(norm_targets=False).diagnostics(batch())[0].chance == pytest.approx(1 / 3, abs=0.05)  # uniform pixels


@pytest.mark.parametrize("norm_targets", [True, False])
def test_pictures_show_what_was_seen_as_it_was(norm_targets):
    modules = made(norm_targets=norm_targets)
    found = modules.pictures(batch())
    hidden = (found["masked"] == 0).all(1)
    assert hidden.float().mean() == 0.75
    for name in ("masked", "reconstruction"):
        assert torch.equal(found[name].movedim(1, -1)[~hidden], found["input"].movedim(1, -1)[~hidden])


@pytest.mark.parametrize(
    ("backbone", "size", "settings", "words"),
    [
        (Conv4(), 16, {}, "backbone has none"),
        (BACKBONE, 18, {}, "no whole number of patches"),
        (BACKBONE, 16, {"ratio": 0.0}, "hides none"),
    ],
)
def test_what_cannot_be_masked_is_told(backbone, size, settings, words):
    with pytest.raises(UserError, match=words):
        MAE(**{**vars(SMALL), **settings}).modules(backbone.encoder(), Context(0, size, 64))


def test_published_rate_and_decay():
    method = MAE()
    assert method.lr == pytest.approx(1.5e-4 * method.batch_size / 256)
    optimizer = SMALL.optimizers(made())["loss"]
    assert [group["betas"] for group in optimizer.param_groups] == [(0.9, 0.95)] * 2
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.05, 0]
    assert all(p.ndim == 1 for p in optimizer.param_groups[1]["params"])
