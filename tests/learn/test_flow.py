"""Laws of the flow: it can be undone, its volumes are those of autograd's Jacobian, and each pixel goes by itself."""

import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.learn.flow import Coupling, Flow, Generator, Split

KINDS = {"preserving": True, "scaling": False}


@pytest.fixture(params=KINDS, ids=str)
def flow(request):
    """A flow with weights as of one that was trained: far from the identity."""
    torch.manual_seed(1)
    made = Flow(layers=6, hidden=8, preserving=KINDS[request.param]).double()
    for p in made.parameters():
        torch.nn.init.normal_(p, std=0.4)
    return made


def colours(n=2, size=3, seed=0):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.double) * 2 - 1


@torch.no_grad()
def test_it_can_be_undone_both_ways(flow):
    x = colours()
    y = flow(x)
    assert (y - x).abs().mean() > 0.1
    torch.testing.assert_close(flow.inverse(y), x)
    torch.testing.assert_close(flow(flow.inverse(x)), x)


@torch.no_grad()
def test_single_precision_is_enough_to_undo_it(flow):
    x = colours().float()
    torch.testing.assert_close(flow.float().inverse(flow(x)), x, rtol=1e-3, atol=1e-3)


def test_log_det_is_that_of_the_jacobian_at_each_pixel(flow):
    x = colours(2, 2)
    found = flow.log_det(x)
    assert found.shape == (2, 2, 2)
    for b in range(2):
        for r in range(2):
            for c in range(2):
                pixel = x[b : b + 1, :, r : r + 1, c : c + 1]
                jacobian = torch.autograd.functional.jacobian(flow, pixel).view(3, 3)
                assert found[b, r, c].item() == pytest.approx(torch.linalg.slogdet(jacobian)[1].item(), abs=1e-9)


def test_volumes_are_kept_where_that_is_asked_and_not_elsewhere(flow):
    kept = all(not step.affine for step in flow.steps if hasattr(step, "affine"))
    assert bool((flow.log_det(colours()).abs() < 1e-12).all()) == kept
    if kept:
        jacobian = torch.autograd.functional.jacobian(flow, colours(1, 1)).view(3, 3)
        assert abs(torch.linalg.det(jacobian).item()) == pytest.approx(1)


@torch.no_grad()
def test_every_pixel_goes_by_itself(flow):
    x = colours(1, 4)
    moved = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    shuffled = x.flatten(2)[:, :, moved].view_as(x)
    torch.testing.assert_close(flow(shuffled), flow(x).flatten(2)[:, :, moved].view_as(x))


@torch.no_grad()
def test_each_output_channel_can_depend_on_each_input_channel(flow):
    jacobian = torch.autograd.functional.jacobian(flow, colours(1, 1)).view(3, 3)
    assert (jacobian.abs() > 1e-6).all()


@pytest.mark.parametrize("space", ["rgb", "lab", "ydbdr"])
@torch.no_grad()
def test_at_first_the_views_are_the_channels_of_the_space(space):
    x = colours().float()
    for preserving in (True, False):
        first, second = Generator(Split(space=space, preserving=preserving))(x)
        assert (first.shape[1], second.shape[1]) == Generator.channels
        if space == "rgb":
            torch.testing.assert_close(torch.cat((first, second), 1), x)
        else:
            grey = x.mean(1, keepdim=True).expand(-1, 3, -1, -1)
            assert Generator(Split(space=space))(grey)[1].std((0, 2, 3)).max() < 1e-3  # no colour, no chroma


@pytest.mark.parametrize("wrong", [{"space": "cmyk"}, {"layers": 0}, {"hidden": 0}])
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Split(**wrong)


def test_a_coupling_is_its_1x1_convolutions_whatever_the_number_of_pixels():
    torch.manual_seed(0)
    coupling = Coupling(1, 8, affine=True)
    torch.nn.init.normal_(coupling.net[-1].weight)
    x = torch.randn(5, 3, 31, 29)  # 4,495 pixels: one piece that is full and one that is not
    found = x[:, [0, 2]]
    for layer in coupling.net:
        linear = isinstance(layer, torch.nn.Conv2d)
        found = torch.nn.functional.conv2d(found, layer.weight, layer.bias) if linear else layer(found)
    scale, shift = coupling.terms(x)
    torch.testing.assert_close(shift, found[:, :1])
    torch.testing.assert_close(scale, found[:, 1:].tanh())
