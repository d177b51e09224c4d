"""Laws of SimCLR, against a slow reference: NT-Xent one view at a time, and an encoder for each side of a split."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from augstudy.augment.views.frequency import Frequency
from augstudy.augment.views.split import Split
from augstudy.learn.backbones.alexnet import AlexNet
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.methods.base import Batch, Context
from augstudy.learn.methods.simclr import SimCLR
from augstudy.learn.sided import TwoSided, network

SMALL = SimCLR(batch_size=8, dim=6, hidden=10, temperature=0.17)
TINY = Conv4(width=0.125)


def made(encoder, settings=SMALL):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return settings.modules(encoder, Context(0, 16, 64)).train()


def views(n=8, channels=(3, 3), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(n, c, 16, 16, generator=generator) * 2 - 1 for c in channels]


def nt_xent(first, second, temperature):
    """Algorithm 1 of the paper: the mean over all 2N views of -log softmax of its other among all but itself."""
    z = torch.cat((first, second)).detach().double().numpy()
    n, losses = len(first), []
    for i in range(2 * n):
        scores = {k: z[i] @ z[k] / temperature for k in range(2 * n) if k != i}
        losses.append(np.log(sum(np.exp(s) for s in scores.values())) - scores[(i + n) % (2 * n)])
    return np.mean(losses)


def test_loss_is_nt_xent_over_all_other_views():
    modules = made(TINY.encoder())
    loss = modules.loss(Batch(views(), torch.arange(8)))
    expected = nt_xent(*modules.projected(views()), 0.17)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_loss_of_further_views_is_the_mean_over_pairs_with_one_of_the_first_two():
    modules = made(TINY.encoder()).eval()
    batch = [*views(), *(view[..., :10, :10] for view in views(n=8, channels=(3, 3, 3), seed=1))]
    with torch.no_grad():
        z = [modules.towers[0](view).double().numpy() for view in batch]
    losses = []
    for anchor in range(5):
        for positive in {0, 1} - {anchor}:
            for i in range(8):
                scores = [z[anchor][i] @ z[key][j] / 0.17 for key in (0, 1) for j in range(8) if j != i]
                right = z[anchor][i] @ z[positive][i] / 0.17
                losses.append(np.log(np.exp([right, *scores]).sum()) - right)
    assert len(losses) == 8 * 8  # two of the pair with itself, two of each of three further views
    assert modules.loss(Batch(batch, torch.arange(8))).item() == pytest.approx(np.mean(losses), rel=1e-5)


def test_views_may_change_places():
    modules, (first, second) = made(TINY.encoder()).eval(), views()
    losses = [modules.loss(Batch(pair, torch.arange(8))).item() for pair in ([first, second], [second, first])]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_diagnostics_stand_beside_chance_among_all_other_views():
    modules = made(TINY.encoder()).eval()
    same = views()[0]
    found = {d.metric: d for d in modules.diagnostics(Batch([same, same], torch.arange(8)))}
    assert found["top-1 of the positive"].value == 100
    assert found["top-1 of the positive"].chance == pytest.approx(100 / 15)
    assert found["InfoNCE loss"].chance == pytest.approx(np.log(15))
    assert found["cosine of positives"].value == pytest.approx(1, abs=1e-5)
    assert found["task too easy"].value == 1


@pytest.mark.parametrize("view", [Split(size=16, space="lab"), Frequency(size=16)], ids=["split", "frequency"])
def test_sides_that_differ_have_an_encoder_each(view):
    encoder = network(TINY, view).encoder()
    assert isinstance(encoder, TwoSided)
    modules = made(encoder)
    pair = views(channels=view.channels)
    expected = nt_xent(*modules.projected(pair), 0.17)
    assert modules.loss(Batch(pair, torch.arange(8))).item() == pytest.approx(expected, rel=1e-5)
    assert modules.sides() == encoder.pair
    assert {id(p) for p in encoder.parameters()} <= {id(p) for p in modules.parameters()}


def test_what_probes_read_is_what_each_side_makes_of_its_part():
    view = Split(size=16, space="ycbcr", first=(2,))
    encoder, x = network(TINY, view).encoder().eval(), views()[0]
    first, second = encoder.parts(x)
    assert (first.shape[1], second.shape[1]) == (1, 2)
    layers = encoder.layers(x)
    for name in encoder.names:
        one, other = encoder.pair[0].layers(first)[name], encoder.pair[1].layers(second)[name]
        assert torch.equal(layers[name], torch.cat((one, other), 1))
    assert encoder.embed(x).shape == (8, encoder.width())
    assert torch.equal(encoder(x), list(layers.values())[-1])


def test_a_first_convolution_of_fewer_channels_keeps_its_law():
    wide = replace(TINY, width=4.0)
    one = next(m for m in network(wide, Split(size=16)).encoder().pair[0].modules() if isinstance(m, torch.nn.Conv2d))
    assert one.weight.shape[1] == one.in_channels == 1
    assert one.weight.var().item() == pytest.approx(2 / 25, rel=0.15)  # He et al.: 2 / inputs


def test_a_backbone_of_edges_has_no_channels_to_split():
    with pytest.raises(Exception, match="edges, not channels"):
        network(AlexNet(sobel=True), Split(size=64)).encoder()
