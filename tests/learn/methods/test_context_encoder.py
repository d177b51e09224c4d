"""Laws of context encoders, their losses against NumPy."""

import numpy as np
import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.learn.methods.base import Batch, Context
from augstudy.learn.methods.context_encoder import ContextEncoder, Decoder, Discriminator, last_side

SMALL = {"bottleneck": 6, "decoder_width": 4, "discriminator_width": 4, "overlap": 1}


def made_of(run_of, size=16, **settings):
    torch.manual_seed(0)
    method = ContextEncoder(**SMALL | settings)
    return method.modules(run_of("context_encoder").backbone.encoder(), Context(0, size, 48))


@pytest.fixture
def batch():
    return Batch(
        [torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1], torch.arange(6), step=3
    )


def softplus(z):
    return np.log1p(np.exp(z))


def test_losses_of_a_hole_in_the_middle(run_of, batch):
    """Squares weigh 10 where the painted part reaches over the hole, and the makers want the discriminator wrong."""
    modules = made_of(run_of).eval()
    losses = modules.loss(batch)
    x = batch.views[0].clone()
    x[:, :, 5:11, 5:11] = 0
    with torch.no_grad():
        code = torch.nn.functional.leaky_relu(modules.norm(modules.bottleneck(modules.encoder(x).flatten(1))), 0.2)
        made = modules.decoder(code)
        real, fake = (modules.discriminator(t).double().numpy() for t in (batch.views[0][:, :, 4:12, 4:12], made))
    square = (made - batch.views[0][:, :, 4:12, 4:12]).double().numpy() ** 2
    total = 0.0
    for y in range(8):
        for x_ in range(8):
            inner = 1 <= y < 7 and 1 <= x_ < 7
            total += square[:, :, y, x_].sum() * (1 if inner else 10)
    error = total / square.size
    assert losses["makers"].item() == pytest.approx(0.999 * error + 0.001 * softplus(-fake).mean(), rel=1e-4)
    assert losses["discriminator"].item() == pytest.approx(softplus(-real).mean() + softplus(fake).mean(), rel=1e-4)


def test_losses_of_blocks(run_of, batch):
    modules = made_of(run_of, hole="blocks").eval()
    losses = modules.loss(batch)
    holes = modules.holes(batch.index, batch.step)
    x = batch.views[0]
    with torch.no_grad():
        made = modules.filled(x, holes)
        fake = modules.discriminator(torch.where(holes > 0, made, x)).double().numpy()
    error = (np.where(holes > 0, made - x, 0.0) ** 2).mean()
    assert losses["makers"].item() == pytest.approx(0.999 * error + 0.001 * softplus(-fake).mean(), rel=1e-4)


def test_true_and_painted_parts_are_judged_apart(run_of, batch):
    """Batch norm of the discriminator never sees both together."""
    modules, judged = made_of(run_of).train(), []
    modules.discriminator.register_forward_pre_hook(lambda module, given: judged.append(given[0]))
    modules.loss(batch)
    assert [len(x) for x in judged] == [6, 6]
    assert torch.equal(judged[0], batch.views[0][:, :, 4:12, 4:12])


def test_the_encoder_never_sees_what_is_hidden(run_of, batch):
    for hole in ("centre", "blocks"):
        modules = made_of(run_of, hole=hole).eval()
        holes = modules.holes(batch.index, batch.step)
        other = batch.views[0] + 3 * holes
        with torch.no_grad():
            assert torch.equal(modules.filled(batch.views[0], holes), modules.filled(other, holes))


def test_blocks_are_keyed_cover_about_a_quarter_and_come_anywhere(run_of):
    modules = made_of(run_of, size=64, hole="blocks")
    holes = modules.holes(torch.arange(400), 2)
    assert torch.equal(modules.holes(torch.arange(10, 20), 2), holes[10:20])
    assert not torch.equal(modules.holes(torch.arange(400), 3), holes)
    assert holes.mean().item() == pytest.approx(0.25, abs=0.05)
    often = holes.mean((0, 1))
    assert often.amax(0).min() > 0  # every column and every row, edges too
    assert often.amax(1).min() > 0
    assert holes.flatten(1).sum(1).min() >= 10 * 10


def test_the_hole_in_the_middle_is_half_the_side_less_the_overlap(run_of):
    holes = made_of(run_of, size=64, overlap=4).holes(torch.arange(2), 0)
    wanted = torch.zeros(64, 64)
    wanted[20:44, 20:44] = 1
    assert torch.equal(holes[1, 0], wanted)


def test_chance_is_the_mean_colour_around_the_hole(run_of, batch):
    modules = made_of(run_of).eval()
    with torch.no_grad():
        found = {d.metric: d for d in modules.diagnostics(batch)}["squared error in the hole"]
    errors = []
    for view in batch.views[0].double().numpy():
        outside = np.ones((16, 16), bool)
        outside[5:11, 5:11] = False
        colour = view[:, outside].mean(1)
        errors.append(((view[:, 5:11, 5:11] - colour[:, None, None]) ** 2).mean())
    assert found.chance == pytest.approx(np.mean(errors), rel=1e-4)
    assert found.better == "lower"


def test_pictures_show_the_hole_the_filling_and_the_truth(run_of, batch):
    for hole in ("centre", "blocks"):
        modules = made_of(run_of, hole=hole).eval()
        with torch.no_grad():
            threes = modules.pictures(batch)["inpainting"].view(6, 3, 3, 16, 16)
        holes = modules.holes(batch.index, batch.step).expand(-1, 3, -1, -1) > 0
        assert torch.equal(threes[:, 2], batch.views[0])
        assert (threes[:, 0][holes] == 0).all()
        assert torch.equal(threes[:, 1][~holes], batch.views[0][~holes])
        assert (threes[:, 1][holes] != 0).any()


@pytest.mark.parametrize("size", [8, 16, 32, 64])
def test_networks_fit_what_they_make(size):
    x = Decoder(5, size, 2)(torch.rand(2, 5))
    assert x.shape == (2, 3, size, size)
    assert Discriminator(size, 2)(x).shape == (2,)


def test_looking_for_the_last_map_leaves_the_encoder_as_it_was(run_of):
    encoder = run_of("context_encoder").backbone.encoder().train()
    before = {key: value.clone() for key, value in encoder.state_dict().items()}
    assert last_side(encoder, 32) == 2
    assert encoder.training
    assert all(torch.equal(value, before[key]) for key, value in encoder.state_dict().items())


def test_a_size_that_does_not_double_says_what_to_do(run_of):
    with pytest.raises(UserError, match="not of 12") as caught:
        made_of(run_of, size=24)
    assert "view.size" in caught.value.fix


def test_an_overlap_that_fills_the_hole_is_refused(run_of):
    with pytest.raises(UserError, match="no room for an overlap of 3 px"):
        made_of(run_of, overlap=3)


def test_holes_anywhere_need_no_room_for_an_overlap(run_of):
    made_of(run_of, hole="blocks", overlap=4)
    with pytest.raises(UserError, match="no room for an overlap of 4 px"):
        made_of(run_of, hole="centre", overlap=4)
