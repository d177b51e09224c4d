"""Activation maximisation raises what it should raise, and the exciting crops are the exciting ones."""

import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.data.corpus import Corpus, Recipe
from augstudy.evaluate.visuals.encoders import untrained
from augstudy.evaluate.visuals.neurons import Neurons, response
from augstudy.learn.backbones.base import signed
from augstudy.learn.backbones.conv4 import Conv4


@pytest.fixture(scope="module")
def encoder():
    return untrained(Conv4(width=0.125))


def test_a_made_picture_excites_its_unit_more_than_where_it_began(encoder):
    begun = Neurons(layer="conv2", units=(0, 3, 7), size=32, steps=1, rate=0.0, blur=0.0, decay=0.0)
    ended = Neurons(layer="conv2", units=(0, 3, 7), size=32, steps=20)
    before, after = (
        response(encoder, n.maximised(encoder)[0], "conv2", [0, 3, 7]).mean((1, 2)).detach() for n in (begun, ended)
    )
    assert (after > before).all()
    pictures, answers = ended.maximised(encoder)
    assert pictures.shape == (3, 3, 32, 32)
    assert 0 <= pictures.min() <= pictures.max() <= 1
    assert torch.equal(pictures, ended.maximised(encoder)[0])
    assert answers.shape == (3,)


def test_the_regularisers_make_pictures_smoother(encoder):
    rough, smooth = (
        Neurons(layer="conv1", count=4, size=32, steps=12, tv_weight=tv, blur=blur).maximised(encoder)[0]
        for tv, blur in ((0.0, 0.0), (5.0, 1.0))
    )
    assert smooth.diff(dim=-1).square().mean() < rough.diff(dim=-1).square().mean()


def test_the_most_exciting_crops_are_those_with_the_largest_responses(encoder, picture):
    corpus = Corpus(picture, Recipe(count=60, size=32))
    found = Neurons(layer="conv2", units=(1, 5), size=32).exciting(encoder, corpus, looked_at=60, shown=4)
    with torch.no_grad():
        every = encoder.layers(signed(corpus.batch(torch.arange(60))))["conv2"].amax((2, 3))
    for line, unit in enumerate((1, 5)):
        torch.testing.assert_close(found.activation[line], every[:, unit].topk(4).values)
        torch.testing.assert_close(every[found.crops[line], unit], found.activation[line])


def test_units_are_spread_over_the_layer_unless_they_are_named(encoder):
    assert Neurons(size=32, count=4).chosen(encoder) == ("conv4", [0, 5, 10, 15])
    assert Neurons(size=32, count=99).chosen(encoder)[1] == list(range(16))


@pytest.mark.parametrize(
    ("settings", "words"), [({"layer": "conv7"}, "no layer 'conv7'"), ({"units": (16,)}, "no unit 16")]
)
def test_what_is_not_there_is_said(encoder, settings, words):
    with pytest.raises(UserError, match=words):
        Neurons(size=32, **settings).chosen(encoder)
