"""Style transfer lowers its losses, keeps the content, and takes pictures of any shape."""

import pytest
import torch
from torch import nn

from augstudy.core.errors import UserError
from augstudy.data.images import find_image, load_image
from augstudy.evaluate.visuals.arrays import as_pixels
from augstudy.evaluate.visuals.encoders import untrained
from augstudy.evaluate.visuals.style import StyleTransfer, fitted, gram, variation
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.backbones.conv4 import Conv4


@pytest.fixture(scope="module")
def encoder():
    return untrained(Conv4(width=0.25))


@pytest.fixture(scope="module")
def pictures():
    """Content of odd sides that are not equal, and a style of another shape."""
    return [fitted(load_image(find_image(name).path), 51) for name in ("chelsea", "coffee")]


def test_both_losses_fall_from_noise(encoder, pictures):
    told = []
    done = StyleTransfer(start="noise", steps=15)(encoder, *pictures, lambda *step: told.append(step))
    for name in ("content", "style"):
        assert done.after[name] < 0.6 * done.before[name]
    assert [step for step, _, _ in told] == list(range(1, 16))
    assert told[-1][2]["style"] < told[0][2]["style"]
    assert done.picture.shape == pictures[0].shape
    assert 0 <= done.picture.min() < done.picture.max() <= 1


def test_the_content_stays_recognisable_while_the_style_comes_near(encoder, pictures):
    done = StyleTransfer(steps=10)(encoder, *pictures)
    mine, other = done.likeness
    assert mine > other + 0.2
    assert done.before == pytest.approx({"content": 0, "style": 1}, abs=1e-5)
    assert done.after["style"] < 0.5
    assert "cosine to the content at conv3" in done.told()


def test_more_weight_on_style_gives_more_of_it(encoder, pictures):
    light, heavy = (StyleTransfer(style_weight=w, steps=8)(encoder, *pictures).after for w in (0.1, 100.0))
    assert heavy["style"] < light["style"]
    assert heavy["content"] > light["content"]


def test_losses_do_not_know_the_scale_of_features(encoder, pictures):
    """A network whose every feature is 7 times as large has the same losses."""

    class Louder(nn.Module):
        def forward(self, x):
            return 7 * x

    loud = Encoder({"conv1": nn.Sequential(encoder.blocks["conv1"], Louder())}, encoder.channels)
    plain = Encoder({"conv1": encoder.blocks["conv1"]}, encoder.channels)
    found = [StyleTransfer(start="noise", steps=1)(e, *pictures).before for e in (plain, loud)]
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_gram_and_variation_are_what_they_say():
    x = torch.randn(1, 3, 4, 5)
    expected = torch.einsum("ahw,bhw->ab", x[0], x[0]) / x.numel()
    torch.testing.assert_close(gram(x), expected)
    assert variation(torch.ones(1, 3, 4, 4)) == 0
    assert variation(torch.tensor([0.0, 1.0]).repeat(1, 3, 4, 2)) == pytest.approx(1)


def test_the_same_seed_paints_the_same_picture_and_the_encoder_stays_as_it_is(encoder, pictures):
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    once, again = (StyleTransfer(start="noise", steps=2)(encoder, *pictures).picture for _ in range(2))
    assert torch.equal(once, again)
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


def test_pictures_keep_their_shape_and_pixels(pictures):
    assert [tuple(x.shape) for x in pictures] == [(3, 34, 51), (3, 34, 51)]
    assert as_pixels(torch.full((3, 2, 5), 0.5)).shape == (2, 5, 3)
    assert as_pixels(torch.full((3, 2, 5), 0.5)).max() == 128


def test_what_does_not_fit_is_said(encoder, pictures):
    with pytest.raises(UserError, match=r"(?s)MoCo has no layer 'conv7'.*conv"):
        StyleTransfer(style_layers=("conv7",)).layers(encoder, "MoCo")
    with pytest.raises(UserError, match="style_weight"):
        StyleTransfer(style_weight=-1)
    with pytest.raises(UserError, match="start"):
        StyleTransfer(start="nose")
    with pytest.raises(UserError, match="less than 32 px"):
        fitted(torch.zeros(3, 40, 400, dtype=torch.uint8), 100, "strip.png")
