"""Laws of the view written op by op: names, the view's size, one strength for all, errors with their place."""

import pytest
import torch

from augstudy.augment.color import ColorJitter
from augstudy.augment.colorspace import Channels, ColorSpace
from augstudy.augment.crops import CenterCrop, RandomCrop, RandomResizedCrop
from augstudy.augment.foreign import Kornia
from augstudy.augment.geometry import HorizontalFlip, Rotate
from augstudy.augment.sampler import Pyramid
from augstudy.augment.views.ops import Ops, catalogue
from augstudy.core.build import build
from augstudy.core.errors import UserError

STUDY = [
    {"random_resized_crop": {"scale": [0.2, 1]}},
    {"color_jitter": {"p": 0.8}},
    {"kornia": {"name": "RandomPlasmaShadow", "p": 0.5, "roughness": [0.1, 0.7]}},
    "horizontal_flip",
]


def ops(*entries, **settings):
    return Ops(**{"size": 32, **settings}, ops=list(entries)).graph().ops


def test_a_list_of_a_study_is_a_graph_of_ops():
    view = build(Ops, {"size": 32, "ops": STUDY}, "study.yaml: view")
    assert view.graph().ops == (
        RandomResizedCrop(size=32, scale=(0.2, 1.0)),
        ColorJitter(p=0.8),
        Kornia(p=0.5, name="RandomPlasmaShadow", settings={"roughness": [0.1, 0.7]}),
        HorizontalFlip(),
    )


def test_every_op_can_be_named():
    for name, cls in catalogue().items():
        settings = {"name": "RandomInvert"} if cls is Kornia else {}
        assert any(isinstance(op, cls) for op in ops({name: settings})), name
    assert {"auto_contrast", "linear_rgb", "keep_inside", "gaussian_blur", "quarter_turn"} <= set(catalogue())


def test_views_have_their_size_and_do_not_depend_on_the_batch():
    graph, x = Ops(size=16, ops=STUDY).graph(), torch.rand(5, 3, 40, 50, generator=torch.Generator().manual_seed(0))
    y = graph(Pyramid(x), graph.sample(0, "view", torch.arange(5)))
    assert y.shape == (5, 3, 16, 16)
    one = graph(Pyramid(x[3:4]), graph.sample(0, "view", torch.arange(3, 4)))
    assert torch.equal(y[3:4], one)


def test_crops_take_the_views_size_unless_they_say_another():
    assert ops({"random_resized_crop": {"size": 48}}, "center_crop") == (
        RandomResizedCrop(size=48),
        CenterCrop(size=32),
    )


def test_without_a_crop_to_size_the_frame_is_resized():
    whole = RandomResizedCrop(size=32, strength=0)
    assert ops() == (whole,)
    assert ops("horizontal_flip") == (whole, HorizontalFlip())
    assert ops({"rotate": {}}, "random_crop", "horizontal_flip") == (Rotate(), RandomCrop(), whole, HorizontalFlip())


def test_the_strength_of_the_family_multiplies_every_ops():
    found = ops(
        {"rotate": {"strength": 0.5}}, "color_jitter", {"color_space": {"space": "yuv"}}, "channels", strength=0.5
    )
    assert found[1:] == (Rotate(strength=0.25), ColorJitter(strength=0.5), ColorSpace(space="yuv"), Channels())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ops": ["colour_jitter"]}, ["ops[0]", "'colour_jitter'", "'color_jitter'"]),
        ({"ops": ["invert", {"rotate": {"degres": 3}}]}, ["ops[1]: rotate", "degres", "'degrees'"]),
        ({"ops": [{"rotate": {"degrees": "far"}}]}, ["ops[0]: rotate", "degrees"]),
        ({"ops": [{"rotate": 30}]}, ["ops[0]: rotate", "30"]),
        ({"ops": [{"rotate": {}, "shear": {}}]}, ["ops[0]", "not one op"]),
        ({"ops": [3]}, ["ops[0]", "not one op"]),
        ({"ops": [{"kornia": {"name": "RandomPlasmaShadows"}}]}, ["ops[0]: kornia", "'RandomPlasmaShadow'"]),
        ({"ops": [{"kornia": {"name": "RandomInvert", "maxval": 1}}]}, ["ops[0]: kornia", "maxval", "'max_val'"]),
        ({"ops": [{"random_resized_crop": {"size": 48}}], "size": 32}, ["48 px", "32"]),
        ({"ops": ["shear"], "strength": 4}, ["ops[0]: shear", "strength x degrees"]),
        ({"strength": -1}, ["strength"]),
        ({"ops": "shear"}, ["ops"]),
        ({"opps": []}, ["'opps'", "'ops'"]),
    ],
)
def test_a_mistake_is_named_with_its_place(settings, words):
    with pytest.raises(UserError) as caught:
        build(Ops, settings, "study.yaml: view")
    text = str(caught.value)
    assert len(text.splitlines()) == 2
    for word in ["study.yaml: view", *words]:
        assert word in text, text
