"""What every backbone must obey; a new file in learn/backbones is tested on arrival."""

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_map

from augstudy.core import registry
from augstudy.core.store import RunFolder
from augstudy.learn.backbones.base import fingerprint, shown
from augstudy.learn.checkpoint import load_encoder, save_encoder

BACKBONES = registry.names("learn.backbones")
SIZES = {"alexnet": (63, 224)}  # px; others take 32 and 64
VARIANTS = {
    "alexnet": [{"variant": "small"}],
    "bigan": [{"variant": "smallnet"}],
    "nin": [{"blocks": 3}, {"blocks": 5}],
    "resnet": [{"stem": "cifar"}, {"depth": 50}],
    "vit": [{"patch": 4, "image": 32, "depth": 3, "positions": "sincos"}],
}
CASES = [(name, settings) for name in BACKBONES for settings in ({}, *VARIANTS.get(name, []))]


@pytest.fixture(params=CASES, ids=lambda case: "-".join([case[0], *map(str, case[1].values())]))
def case(request):
    return request.param


@pytest.fixture
def name(case):
    return case[0]


@pytest.fixture
def part(case):
    """`part(width)`: settings of the backbone."""
    name, settings = case
    return lambda width=0.125: registry.find("learn.backbones", name)(width=width, **settings)


@pytest.fixture
def encoder(part):
    torch.manual_seed(0)
    return part().encoder()


@pytest.fixture
def x(name):
    """Images of the smallest size."""
    size = SIZES.get(name, (32,))[0]
    return torch.rand(4, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_layers_are_named_by_depth_and_the_last_one_is_the_output(encoder, x):
    encoder.eval()
    outputs = encoder.layers(x)
    assert list(outputs) == encoder.names
    assert len(outputs) >= 3
    torch.testing.assert_close(outputs[encoder.names[-1]], encoder(x), rtol=0, atol=0)
    sides = [y.shape[-1] for y in outputs.values()]
    assert sides == sorted(sides, reverse=True)


def test_later_layers_leave_a_layer_alone(encoder, x):
    """One that works in place must not change what an earlier one was read as, nor the images."""
    encoder.eval()
    before = x.clone()
    outputs = encoder.layers(x)
    assert torch.equal(x, before)
    y = x
    for layer, block in encoder.blocks.items():
        y = block(tree_map(lambda part: part.clone() if isinstance(part, torch.Tensor) else part, y))
        assert torch.equal(shown(y), outputs[layer]), layer


def test_layers_are_read_behind_a_rectifier(encoder, x):
    if not any(isinstance(m, nn.ReLU | nn.LeakyReLU) for m in encoder.modules()):
        pytest.skip("a transformer's layers are its residual stream")
    outputs = encoder.eval().layers(x)
    for layer, block in encoder.blocks.items():
        last = list(block.modules())[-1]
        assert isinstance(last, nn.LeakyReLU) or outputs[layer].min() >= 0, layer
        assert outputs[layer].max() > 0, layer


def test_width_is_what_embed_gives_at_any_image_size(name, encoder):
    for size in SIZES.get(name, (32, 64)):
        assert encoder.eval().embed(torch.zeros(2, 3, size, size)).shape == (2, encoder.width())


def test_width_setting_scales_the_channels(part):
    with torch.device("meta"):
        full, half = part(1.0).encoder(), part(0.5).encoder()
    assert half.width() * 2 == full.width()
    assert full.names == half.names


def test_weights_depend_on_the_generator_alone(part):
    prints = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        prints.append(fingerprint(part().encoder()))
    assert prints[0] == prints[1] != prints[2]


def test_every_weight_is_trained(encoder, x):
    encoder.embed(x).square().mean().backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.abs().max() > 0] == []


def test_channels_last_gives_the_same(encoder, x):
    """Pretraining and feature extraction run in this format."""
    encoder.eval()
    before = encoder(x)
    after = encoder.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-5 * before.abs().max().item())


def test_saved_and_loaded_it_is_the_same_to_the_bit(case, encoder, x, tmp_path):
    name, settings = case
    folder = RunFolder(tmp_path)
    encoder(x)  # moves batch norm statistics
    save_encoder(folder, encoder, name, {"width": 0.125, **settings})
    again = load_encoder(folder)
    assert fingerprint(again) == fingerprint(encoder)
    assert not again.training
    assert again.names == encoder.names
