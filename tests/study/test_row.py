"""What a row may say besides settings: epochs as a multiple, and whose backbone it has."""

import pytest

from augstudy.core.errors import UserError
from augstudy.learn.backbones.vit import ViT
from augstudy.study.plan import expand
from augstudy.study.spec import Study

VIT = {"name": "vit", "dim": 64, "depth": 2, "heads": 2, "patch": 4, "image": 16}


def runs_of(row, **parts):
    return expand(Study(name="s", rows=({"label": "one", "method": "moco", **row},), **parts), {})


def epochs_of(row, **parts):
    return [run.method.epochs for run in runs_of({"method": {"name": "moco", **row}}, **parts)]


def test_epochs_of_a_row_multiply_those_of_its_method_at_this_scale():
    assert epochs_of({"epochs": "4x"}) == [800]
    assert epochs_of({"epochs": "4x"}, methods={"moco": {"method": {"epochs": 16}}}) == [64]
    assert epochs_of({"epochs": "1.5x"}, method={"epochs": 3}) == [4]


def test_epochs_never_fall_below_one():
    assert epochs_of({"epochs": "0.01x"}, method={"epochs": 3}) == [1]


def test_a_sweep_multiplies_what_the_row_multiplies():
    assert epochs_of({"epochs": "2x"}, method={"epochs": 10}, sweep={"method.epochs": ["1x", "3x", 7]}) == [20, 60, 7]


def test_a_multiple_and_the_number_that_it_is_are_one_run():
    assert epochs_of({}, method={"epochs": 10}, sweep={"method.epochs": ["2x", 20]}) == [20]


@pytest.mark.parametrize("epochs", ["x", "4 x", "fourx", "-1x"])
def test_what_is_no_multiple_is_named(epochs):
    with pytest.raises(UserError, match=r"rows\[0\] \(one\): method: epochs"):
        epochs_of({"epochs": epochs})


def test_a_row_has_the_backbone_of_the_method_it_is_like():
    methods = {"mae": {"backbone": VIT, "method": {"epochs": 3}}, "random": {"backbone": {"name": "nin"}}}
    [run] = runs_of({"method": "random", "like": "mae"}, methods=methods, backbone={"name": "conv4"})
    assert run.backbone == ViT(**{key: value for key, value in VIT.items() if key != "name"})
    [plain] = runs_of({"method": "random"}, methods=methods, backbone={"name": "conv4"})
    assert plain.backbone_name == "nin"


def test_what_it_says_of_its_own_backbone_beats_that():
    [run] = runs_of({"method": "random", "like": "mae", "backbone": {"depth": 3}}, methods={"mae": {"backbone": VIT}})
    assert (run.backbone.depth, run.backbone.dim) == (3, 64)


@pytest.mark.parametrize("like", ["maee", 3, ["mae"]])
def test_a_method_to_be_like_must_be_there(like):
    with pytest.raises(UserError, match=r"rows\[0\] \(one\)"):
        runs_of({"like": like})
