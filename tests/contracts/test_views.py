"""What every view family must obey; a new file in augment/views is tested on arrival."""

from dataclasses import fields

import pytest
import torch

from augstudy.augment.views.base import View
from augstudy.core import registry
from augstudy.data.corpus import Corpus, Recipe

FAMILIES = registry.names("augment.views")
every_family = pytest.mark.parametrize("name", FAMILIES)
INDEX = torch.arange(6)


SETTINGS = {
    "distance": {"patch": 20},
    "jigsaw": {"tiles": 4},
    "ops": {"ops": ["random_resized_crop", "horizontal_flip"]},
}


def made(name):
    return registry.find("augment.views", name)(size=16, **SETTINGS.get(name, {}))


@pytest.fixture(scope="module")
def corpus(picture):
    return Corpus(picture, Recipe(count=64, size=32), seed=3)


@every_family
def test_has_one_control_with_a_name_and_a_unit(name):
    view = made(name)
    assert isinstance(view, View)
    assert view.control in {f.name for f in fields(view) if f.init}
    assert isinstance(view.unit, str)


@every_family
def test_a_pair_has_the_size_and_channels_it_says(name, corpus):
    view = made(name)
    for number, (graph, channels) in enumerate(zip(view.pair(), view.channels, strict=True)):
        x = corpus.view(INDEX, graph, view=number)
        assert x.shape == (6, channels, 16, 16)
        assert x.min() >= -1e-6
        assert x.max() <= 1 + 1e-6


@every_family
def test_views_are_functions_of_their_number_alone(name, corpus):
    for number, graph in enumerate(made(name).pair()):
        together = corpus.view(INDEX, graph, epoch=2, view=number)
        alone = torch.cat([corpus.view(INDEX[i : i + 1], graph, epoch=2, view=number) for i in (4, 1)])
        assert torch.equal(together[[4, 1]], alone)
        assert not torch.equal(together, corpus.view(INDEX, graph, epoch=3, view=number))


@every_family
def test_the_first_view_is_the_one_of_methods_that_look_at_one(name):
    view = made(name)
    assert view.graph() == view.pair()[0]


@every_family
def test_sides_that_need_an_encoder_each_say_what_it_sees(name):
    view = made(name)
    if view.two_encoders:
        for (lens, graph), channels in zip(zip(view.lenses(), view.pair(), strict=True), view.channels, strict=True):
            assert graph.ops[-len(lens.ops) :] == lens.ops
            assert channels in (1, 2, 3)
    else:
        assert view.channels == (3, 3)
