"""Laws of `build`: a part is its own schema, and every error names the place, the key and what to do."""

import dataclasses
from dataclasses import dataclass

import pytest
from omegaconf import OmegaConf

from augstudy.augment.views.standard import Standard
from augstudy.core import registry
from augstudy.core.build import build, check_choice, check_interval, check_range, settings
from augstudy.core.errors import UserError
from augstudy.data.corpus import Recipe

WHERE = "studies/x.yaml: data"


@dataclass(frozen=True)
class Toy:
    """A part with one setting of each kind."""

    momentum: float = 0.9
    layers: int = 4
    name: str = "toy"
    scale: tuple[float, float] = (0.2, 1.0)
    widths: list[int] = dataclasses.field(default_factory=lambda: [8, 16])
    symmetric: bool = False
    made: str = dataclasses.field(init=False, default="")

    def __post_init__(self) -> None:
        check_range("momentum", self.momentum, 0, 1)
        check_interval("scale", self.scale, 0, 1)


@dataclass(frozen=True)
class Needy:
    """A part with a setting that has no default."""

    path: str


def test_an_empty_node_gives_the_defaults():
    assert build(Toy, {}, WHERE) == Toy()
    assert build(Recipe, {}, WHERE) == Recipe()
    assert build(Standard, {}, WHERE) == Standard()


def test_settings_are_merged_over_the_defaults_with_their_types():
    toy = build(Toy, {"momentum": 1, "layers": 2, "scale": [0.1, 0.5], "widths": [1, 2, 3], "symmetric": True}, WHERE)
    assert toy == Toy(momentum=1.0, layers=2, scale=(0.1, 0.5), widths=[1, 2, 3], symmetric=True)
    assert type(toy.momentum) is float
    assert type(toy.scale) is tuple
    assert type(toy.widths) is list


def test_an_omegaconf_node_is_as_good_as_a_dict():
    node = OmegaConf.create({"width": 3, "data": {"scale": [0.1, 0.5], "layers": "${width}"}})
    assert build(Toy, node.data, WHERE) == Toy(scale=(0.1, 0.5), layers=3)


def test_only_constructor_fields_are_settings():
    assert settings(Toy) == ["momentum", "layers", "name", "scale", "widths", "symmetric"]
    with pytest.raises(UserError, match="unknown key 'made'"):
        build(Toy, {"made": "by hand"}, WHERE)


def test_a_misspelt_key_names_the_place_and_the_nearest_key():
    with pytest.raises(UserError) as caught:
        build(Toy, {"momentun": 0.5}, WHERE)
    assert caught.value.what == "studies/x.yaml: data: unknown key 'momentun'"
    assert "Did you mean 'momentum'?" in caught.value.fix
    assert "widths" in caught.value.fix


@pytest.mark.parametrize(
    ("node", "key"),
    [
        ({"momentum": "high"}, "momentum"),
        ({"layers": 2.5}, "layers"),
        ({"symmetric": "perhaps"}, "symmetric"),
        ({"scale": 0.5}, "scale"),
        ({"scale": ["a", "b"]}, "scale"),
        ({"widths": {"a": 1}}, "widths"),
    ],
)
def test_a_wrong_type_names_the_place_and_the_key(node, key):
    with pytest.raises(UserError) as caught:
        build(Toy, node, WHERE)
    assert caught.value.what.startswith(f"{WHERE}: {key}")
    assert "\n" not in caught.value.what
    assert key in caught.value.fix


def test_a_value_out_of_range_names_the_place_and_the_range():
    with pytest.raises(UserError) as caught:
        build(Toy, {"momentum": 1.5}, WHERE)
    assert caught.value.what == f"{WHERE}: momentum must lie in [0, 1], got 1.5"
    assert caught.value.fix == "Set momentum to a value in that range."


def test_a_missing_setting_names_the_place():
    with pytest.raises(UserError, match=r"studies/x.yaml: data: path: "):
        build(Needy, {}, WHERE)


@pytest.mark.parametrize("bad", [[0.5], [0.1, 0.2, 0.3], [], [0.9, 0.1]])
@pytest.mark.parametrize(
    ("cls", "key"),
    [
        (Toy, "scale"),
        (Recipe, "scale"),
        (Recipe, "ratio"),
        (Standard, "scale"),
        (Standard, "ratio"),
        (Standard, "blur_sigma"),
    ],
)
def test_an_interval_is_two_ordered_numbers(cls, key, bad):
    with pytest.raises(UserError, match=rf"data: {key} must be two numbers \[low, high\], got \[") as caught:
        build(cls, {key: bad}, WHERE)
    assert key in caught.value.fix


@pytest.mark.parametrize(
    ("cls", "node"),
    [
        (Recipe, {"count": 0}),
        (Recipe, {"scale": [0, 1]}),
        (Recipe, {"border": "mirror"}),
        (Recipe, {"area": "uniforn"}),
        (Recipe, {"hue": 0.7}),
        (Recipe, {"brightness": -0.1}),
        (Recipe, {"jitter_p": 1.1}),
        (Recipe, {"rotation": float("nan")}),
        (Standard, {"strength": 6}),  # times the hue of 0.1 more than half a turn
        (Standard, {"contrast": -1}),
        (Standard, {"flip_p": -0.5}),
        (Standard, {"size": 0}),
    ],
)
def test_bounds_hold_where_the_setting_was_written_and_not_later(cls, node):
    (key,) = node
    with pytest.raises(UserError, match=f"studies/x.yaml: data: .*{key}"):
        build(cls, node, WHERE)


def test_ranges_are_closed_and_may_have_no_upper_end():
    check_range("x", 0, 0, 1)
    check_range("x", 1, 0, 1)
    check_range("x", 1e9, 0)
    with pytest.raises(UserError, match=r"x must lie in \[0, inf\), got -1"):
        check_range("x", -1, 0)


def test_a_wrong_choice_gets_the_nearest_right_one():
    check_choice("area", "log", ("uniform", "log"))
    with pytest.raises(UserError, match=r"area is 'unifrom'.*choices\nDid you mean 'uniform'\?"):
        check_choice("area", "unifrom", ("uniform", "log"))


@pytest.mark.parametrize(
    ("room", "name"), [(room, name) for room in ("learn.methods", "learn.backbones") for name in registry.names(room)]
)
def test_every_method_and_backbone_refuses_settings_of_another_kind(room, name):
    cls = registry.find(room, name)
    for key in settings(cls):
        with pytest.raises(UserError, match=f"{key} must be"):
            cls(**{key: object()})


@pytest.mark.parametrize("wrong", ["a", None, True, [1], object()])
def test_a_range_is_of_numbers(wrong):
    with pytest.raises(UserError, match="width must be a number"):
        check_range("width", wrong, 0, 1)
    with pytest.raises(UserError, match="width must be two numbers"):
        check_interval("width", (0, wrong), 0, 1)


def test_a_choice_is_of_words():
    with pytest.raises(UserError, match="border is 3"):
        check_choice("border", 3, ("valid", "black"))
