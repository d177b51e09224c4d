"""What every backbone must obey; a new file in learn/backbones is tested on arrival."""

import pytest
import torch

from augstudy.core import registry
from augstudy.core.store import RunFolder
from augstudy.learn.backbones.base import fingerprint
from augstudy.learn.checkpoint import load_encoder, save_encoder

BACKBONES = registry.names("learn.backbones")
SIZES = {"alexnet": (63, 224)}  # px; others take 32 and 64


@pytest.fixture(params=BACKBONES)
def name(request):
    return request.param


@pytest.fixture
def encoder(name):
    torch.manual_seed(0)
    return registry.find("learn.backbones", name)(width=0.125).encoder()


def test_layers_are_named_by_depth_and_the_last_one_is_the_output(name, encoder):
    x = torch.rand(2, 3, SIZES.get(name, (32,))[0], SIZES.get(name, (32,))[0]) * 2 - 1
    encoder.eval()
    outputs = encoder.layers(x)
    assert list(outputs) == encoder.names == [f"conv{i + 1}" for i in range(len(outputs))]
    torch.testing.assert_close(outputs[encoder.names[-1]], encoder(x), rtol=0, atol=0)
    sides = [y.shape[-1] for y in outputs.values()]
    assert sides == sorted(sides, reverse=True)


def test_layers_are_outputs_of_relus_that_later_layers_leave_alone(name, encoder):
    """A layer that works in place must not change what an earlier one was read as."""
    x = torch.rand(2, 3, SIZES.get(name, (32,))[0], SIZES.get(name, (32,))[0]) * 2 - 1
    encoder.eval()
    outputs = encoder.layers(x.clone())
    y = x
    for layer, block in encoder.blocks.items():
        y = block(y.clone())
        assert torch.equal(y, outputs[layer]), layer
        assert y.min() >= 0


def test_width_is_what_embed_gives_at_any_image_size(name, encoder):
    for size in SIZES.get(name, (32, 64)):
        assert encoder.eval().embed(torch.zeros(2, 3, size, size)).shape == (2, encoder.width())


def test_width_setting_scales_the_channels(name):
    part = registry.find("learn.backbones", name)
    with torch.device("meta"):
        full, half = part().encoder(), part(width=0.5).encoder()
    assert half.width() * 2 == full.width()
    assert full.names == half.names


def test_weights_depend_on_the_generator_alone(name):
    part = registry.find("learn.backbones", name)(width=0.125)
    prints = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        prints.append(fingerprint(part.encoder()))
    assert prints[0] == prints[1] != prints[2]


def test_saved_and_loaded_it_is_the_same_to_the_bit(name, encoder, tmp_path):
    folder = RunFolder(tmp_path)
    encoder(torch.rand(4, 3, SIZES.get(name, (32,))[0], SIZES.get(name, (32,))[0]))  # moves batch norm statistics
    save_encoder(folder, encoder, name, {"width": 0.125})
    again = load_encoder(folder)
    assert fingerprint(again) == fingerprint(encoder)
    assert not again.training
    assert again.names == encoder.names
