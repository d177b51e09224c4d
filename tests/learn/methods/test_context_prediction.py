"""Laws of context prediction, its loss against NumPy."""

import numpy as np
import pytest
import torch

from augstudy.core import rng
from augstudy.core.errors import UserError
from augstudy.learn.methods.base import Batch, Context
from augstudy.learn.methods.context_prediction import ContextPrediction, dropped, positions, projected
from augstudy.learn.tiles import cut


@pytest.fixture
def modules(training):
    return training("context_prediction").make()[0]


def batch_of(count, size=24, step=2):
    generator = torch.Generator().manual_seed(0)
    return Batch([torch.rand(count, 3, size, size, generator=generator) * 2 - 1], torch.arange(count), step=step)


def test_every_crop_has_a_neighbour_on_each_of_eight_sides():
    answers = positions(torch.zeros(40, 8))
    assert answers.bincount().tolist() == [5] * 8
    assert answers.view(5, 8).tolist() == [list(range(8))] * 5


def test_label_k_is_the_kth_box_around_the_middle(modules):
    """The patch that the head gets with label k lies where k says, by the boxes themselves."""
    boxes = modules.grid.boxes(modules.seed, "context/boxes", torch.arange(64), 2)
    offsets = (boxes - boxes[:, 4:5]).sign()[:, [0, 1, 2, 3, 5, 6, 7, 8]]
    tile, pitch, moves = modules.grid.tile, modules.grid.pitch, modules.grid.moves
    far = (boxes - boxes[:, 4:5]).abs()
    wanted = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
    for k, (down, right) in enumerate(wanted):
        for axis, side in enumerate((down, right)):
            if side:
                assert (offsets[:, k, axis] == side).all()
            else:
                assert far[:, k + (k > 3), axis].max() <= moves
    apart = far.amax(2)[:, [0, 1, 2, 3, 5, 6, 7, 8]] - tile
    assert apart.min() >= pitch - tile - moves >= 0


def test_loss_is_the_cross_entropy_of_pairs_fused_late(modules):
    """Patch by patch and pair by pair, in NumPy from the patches' features on."""
    modules.eval()
    batch = batch_of(3)
    with torch.no_grad():
        patches = modules.patches(batch.views[0], batch.index, batch.step)
        features = np.stack([modules.encoder.embed(patches[:, t]).double().numpy() for t in range(9)], 1)
    state = {k: v.double().numpy() for k, v in modules.head.state_dict().items()}

    def norm(x, at):
        scale = state[f"{at}.weight"] / np.sqrt(state[f"{at}.running_var"] + 1e-5)
        return (x - state[f"{at}.running_mean"]) * scale + state[f"{at}.bias"]

    def relu(x):
        return np.maximum(x, 0)

    losses = []
    for crop in features:
        h = [relu(norm(state["fc6.0.weight"] @ f, "fc6.1")) for f in crop]
        for label, other in enumerate([0, 1, 2, 3, 5, 6, 7, 8]):
            z = relu(norm(state["rest.0.weight"] @ np.concatenate((h[4], h[other])), "rest.1"))
            z = relu(state["rest.3.weight"] @ z + state["rest.3.bias"])
            z = state["rest.5.weight"] @ z + state["rest.5.bias"]
            losses.append(np.log(np.exp(z).sum()) - z[label])
    assert modules.loss(batch).item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_projection_takes_green_minus_magenta_away_and_leaves_the_rest():
    patches = torch.rand(2, 9, 3, 5, 5)
    left = projected(patches)
    a = np.array([-1.0, 2.0, -1.0])
    wanted = np.einsum("ij,btjhw->btihw", np.eye(3) - np.outer(a, a) / (a @ a), patches.double().numpy())
    np.testing.assert_allclose(left, wanted, atol=1e-6)
    grey = torch.rand(2, 9, 1, 5, 5).expand(-1, -1, 3, -1, -1)
    torch.testing.assert_close(projected(grey), grey)


def test_dropping_leaves_one_channel_each_as_often_as_the_others():
    patches = torch.ones(200, 9, 3, 4, 4)
    left = dropped(patches, torch.rand(200, 9), torch.rand(patches.shape))
    kept = (left == 1).all(4).all(3)  # (200, 9, 3)
    assert (kept.sum(2) == 1).all()
    assert kept.float().mean((0, 1)).tolist() == pytest.approx([1 / 3] * 3, abs=0.05)
    assert left[~kept].abs().max() <= 0.5 / 127.5


def test_noise_is_of_half_a_grey_level_beside_the_patch_as_it_was(training):
    """Of faint patches, in grey levels as in the released code: noise is added before they are scaled, not after."""
    modules, _ = training("context_prediction", "method.color=drop", "method.pixelate_p=0").make()
    batch, index = batch_of(3), torch.arange(3)
    view = 0.1 * batch.views[0]
    boxes = modules.grid.boxes(modules.seed, "context/boxes", index, 2)
    grey = 127.5 * cut(view, boxes, 6).double().numpy()
    kept = (3 * rng.uniform(modules.seed, "context/channel", index, 9, 2)).int().numpy()
    noise = rng.uniform(modules.seed, "context/noise", index, 9 * 3 * 36, 2).view(3, 9, 3, 6, 6).double().numpy()
    expected = noise - 0.5
    for crop, patch in np.ndindex(3, 9):
        channel = grey[crop, patch, kept[crop, patch]]
        expected[crop, patch, kept[crop, patch]] = channel - channel.mean()
    expected -= expected.mean((2, 3, 4), keepdims=True)
    expected /= np.sqrt(np.square(expected).mean((2, 3, 4), keepdims=True))
    np.testing.assert_allclose(modules.patches(view, index, 2), expected, atol=1e-4)


@pytest.mark.parametrize("color", ["drop", "project", "keep"])
def test_patches_have_mean_0_and_deviation_1_whatever_hides_the_fringes(color, training):
    modules, _ = training("context_prediction", f"method.color={color}").make()
    batch = batch_of(4)
    patches = modules.patches(batch.views[0], batch.index, batch.step)
    assert patches.shape == (4, 9, 3, 6, 6)
    torch.testing.assert_close(patches.mean((2, 3, 4)), torch.zeros(4, 9), atol=1e-5, rtol=0)
    torch.testing.assert_close(patches.square().mean((2, 3, 4)), torch.ones(4, 9), atol=1e-3, rtol=0)
    if color == "drop":
        assert ((patches.std((3, 4)) > 0.05).sum(2) == 1).all()


def test_pixelated_patches_are_as_many_as_told_and_coarser(run_of):
    method = ContextPrediction(patch=20, gap=4, jitter=1, color="keep", pixelate_p=0.33, hidden=4)
    modules = method.modules(run_of("context_prediction").backbone.encoder(), Context(0, 72, 48))
    batch = batch_of(200, size=72)
    boxes = modules.grid.boxes(0, "context/boxes", batch.index, batch.step)
    sharp = cut(batch.views[0], boxes, 20)
    left = modules._pixelated(sharp, batch.index, batch.step)
    touched = (left != sharp).flatten(2).any(2)
    assert touched.float().mean().item() == pytest.approx(0.33, abs=0.04)
    assert left[touched].std() < 0.9 * sharp[touched].std()


def test_patches_are_a_function_of_crop_and_step_alone(modules):
    batch = batch_of(6)
    patches = modules.patches(batch.views[0], batch.index, 2)
    assert torch.equal(modules.patches(batch.views[0][2:4], batch.index[2:4], 2), patches[2:4])
    assert not torch.equal(modules.patches(batch.views[0], batch.index, 3), patches)


def test_patches_that_could_overlap_are_refused(run_of):
    with pytest.raises(UserError, match="overlap"):
        ContextPrediction(patch=8, gap=3, jitter=2).modules(
            run_of("context_prediction").backbone.encoder(), Context(0, 64, 48)
        )


def test_a_place_told_by_borders_shows_on_noise(modules, monkeypatch):
    """An encoder that reads a mark which says where each patch came from is right on noise as well."""
    noise = batch_of(50).views[0]
    batch = Batch([noise], torch.arange(50), blank=[noise])
    found = {d.metric: d for d in modules.eval().diagnostics(batch)}
    assert found["position accuracy on noise"].value == pytest.approx(12.5, abs=6)
    assert found["position accuracy on noise"].better == "lower"
    monkeypatch.setattr(modules, "logits", lambda view, index, step: torch.eye(8).repeat(len(view), 1))
    assert {d.metric: d.value for d in modules.diagnostics(batch)}["position accuracy on noise"] == 100
