"""Laws of expansion: which runs a study means, in which order, with which settings and under which hash."""

import math
from dataclasses import fields, replace

import pytest

from augstudy.augment.views.ops import Ops
from augstudy.augment.views.standard import Standard
from augstudy.core.errors import UserError
from augstudy.core.store import digest
from augstudy.data.corpus import Recipe
from augstudy.learn.methods.moco import MoCo
from augstudy.study.compose import presets
from augstudy.study.plan import expand
from augstudy.study.spec import Study


def study(**parts):
    return Study(name="s", **({"rows": ({"label": "one", "method": "moco"},)} | parts))


def moco_of(settings_preset=None, **parts):
    [run] = expand(study(**parts), {"moco": settings_preset or {}})
    return run


def test_order_is_rows_then_sweep_then_seeds():
    rows = ({"label": "r", "method": "rotnet"}, {"label": "m", "method": "moco"})
    sweep = {"method.epochs": [1, 2], "view.strength": [0, 1]}
    runs = expand(study(rows=rows, sweep=sweep, seeds=(5, 3)), {})
    found = [(r.label, r.axes["method.epochs"], r.axes["view.strength"], r.seed) for r in runs]
    assert found == [(label, e, s, seed) for label in "rm" for e in (1, 2) for s in (0, 1) for seed in (5, 3)]


def test_an_axis_multiplies_only_rows_that_have_the_setting():
    rows = [{"label": name, "method": name} for name in ("random", "rotnet", "moco", "supervised")]
    runs = expand(study(rows=tuple(rows), sweep={"method.temperature": [0.1, 0.2], "corpus.count": [9, 8, 7]}), {})
    counts = {name: sum(r.label == name for r in runs) for name in ("random", "rotnet", "moco", "supervised")}
    assert counts == {"random": 1, "rotnet": 3, "moco": 6, "supervised": 1}
    assert next(r for r in runs if r.label == "random").axes == {}


def test_values_of_an_axis_that_does_not_reach_a_row_are_one_row():
    """`blur_p` is a setting of one of the two families that are swept over."""
    sweep = {"view.name": ["standard", "ops"], "view.blur_p": [0, 0.5]}
    runs = expand(study(sweep=sweep, seeds=(0, 1)), {})
    assert [(run.axes, run.seed) for run in runs] == [
        (axes, seed)
        for axes in (
            {"view.name": "standard", "view.blur_p": 0},
            {"view.name": "standard", "view.blur_p": 0.5},
            {"view.name": "ops"},
        )
        for seed in (0, 1)
    ]
    assert len({key(run) for run in runs}) == len(runs)


def test_values_that_mean_the_same_are_one_row():
    assert [run.axes for run in expand(study(sweep={"method.lr": [1, 1.0, 2]}), {})] == [
        {"method.lr": 1},
        {"method.lr": 2},
    ]
    runs = expand(study(sweep={"view.size": [16, 32], "method.epochs": [3, 3]}), {})
    assert [run.axes for run in runs] == [{"view.size": 16, "method.epochs": 3}, {"view.size": 32, "method.epochs": 3}]


def test_images_of_two_names_are_two_rows():
    runs = expand(study(sweep={"image.name": ["coffee", "hubble"]}), {})
    assert [run.image.name for run in runs] == ["coffee", "hubble"]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"overrides": {"method.epochs": "many", "method.lr": 0.1}}, "override method.epochs=many: rows[0] (one): "),
        ({"sweep": {"method.lr": [0.1], "method.epochs": ["many"]}}, "sweep of method.epochs: rows[0] (one): "),
        (
            {"file": "my.yaml", "method": {"epochs": "many"}, "overrides": {"method.lr": 0.1}},
            "my.yaml: rows[0] (one): ",
        ),
        ({"typed": ("seeds=[-1]",), "seeds": (-1,)}, "override 'seeds=[-1]': seeds: "),
        ({"typed": ("+rows=[]",), "rows": ()}, "override 'rows=[]': rows: "),
    ],
)
def test_a_mistake_is_blamed_on_what_was_typed_or_else_on_the_file(parts, words):
    with pytest.raises(UserError) as caught:
        expand(study(**parts), {})
    assert caught.value.what.startswith(words)


def test_each_layer_of_settings_beats_those_below_it():
    """class < configs/method < study section < methods < row < override < sweep."""
    layers = {
        "preset": {"preset": None},
        "study": {"method": {"lr": 2.0}},
        "methods": {"methods": {"moco": {"method": {"lr": 3.0}}}},
        "row": {"rows": ({"label": "one", "method": {"name": "moco", "lr": 4.0}},)},
        "override": {"overrides": {"method.lr": 5.0}},
        "sweep": {"sweep": {"method.lr": [6.0]}},
    }
    assert moco_of().method.lr == MoCo().lr
    parts, preset = {}, {"method": {"lr": 1.0}}
    for value, layer in enumerate(layers.values(), 1):
        parts |= {k: v for k, v in layer.items() if k != "preset"}
        assert moco_of(preset, **parts).method.lr == value


def test_layers_are_merged_key_by_key():
    run = moco_of(
        {"view": {"blur_p": 0.1}},
        view={"gray_p": 0.3},
        methods={"moco": {"view": {"flip_p": 0.25}}},
        rows=({"label": "one", "method": "moco", "view": {"size": 48}},),
        overrides={"view.jitter_p": 0.5},
    )
    view = run.view
    assert (view.blur_p, view.gray_p, view.flip_p, view.size, view.jitter_p) == (0.1, 0.3, 0.25, 48, 0.5)


def test_settings_of_other_methods_pass_a_row_by():
    rows = ({"label": "r", "method": "rotnet"}, {"label": "m", "method": "moco"})
    runs = expand(study(rows=rows, method={"temperature": 0.5}, overrides={"method.queue": 7}), {})
    assert runs[1].method.temperature == 0.5
    assert runs[1].method.queue == 7


def test_defaults_of_a_row_follow_from_its_method():
    rows = [{"label": name, "method": name} for name in ("random", "rotnet", "supervised")]
    assert [run.data for run in expand(study(rows=tuple(rows)), {})] == ["none", "single_image", "full"]


def test_a_row_may_have_an_image_of_its_own():
    rows = ({"label": "a", "method": "moco"}, {"label": "b", "method": "moco", "image": "coffee"})
    runs = expand(study(rows=rows), {})
    assert [run.image.name for run in runs] == ["A", "coffee"]


def test_a_bare_word_names_a_part():
    run = moco_of(rows=({"label": "one", "method": "moco", "backbone": "conv5"},))
    assert run.backbone_name == "conv5"
    assert moco_of(backbone={"name": "conv4"}).backbone_name == "conv4"
    assert moco_of().backbone_name == "alexnet"


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"rows": ()}, ["rows", "empty"]),
        ({"seeds": ()}, ["seeds", "empty"]),
        ({"seeds": (0, -1)}, ["seeds", "negative"]),
        ({"seeds": (0, 1, 0)}, ["seeds", "twice"]),
        ({"sweep": {"method.lr": []}}, ["method.lr", "no values"]),
        ({"sweep": {"method.tmperature": [1]}}, ["method.tmperature", "'method.temperature'"]),
        ({"sweep": {"view.strenght": [1]}}, ["view.strenght", "'view.strength'"]),
        ({"sweep": {"lr": [1]}}, ["'lr'", "method"]),
        ({"sweep": {"corpus.cont": [1]}}, ["corpus.cont", "'corpus.count'"]),
        ({"overrides": {"method.nonsense": 1}}, ["method.nonsense"]),
        ({"overrides": {"backbone.widht": 1}}, ["backbone.widht", "'backbone.width'"]),
        ({"overrides": {"image.nam": "x"}}, ["image.nam", "'image.name'"]),
        ({"method": {"epohcs": 3}}, ["epohcs", "'epochs'"]),
        ({"methods": {"mocoo": {}}}, ["mocoo", "'moco'"]),
        ({"methods": {"moco": {"metod": {}}}}, ["moco", "metod", "'method'"]),
        ({"methods": {"moco": {"method": {"clusters": 3}}}}, ["moco", "clusters"]),
        ({"methods": {"bigan": {"method": {"latnet": 3}}}}, ["bigan", "latnet", "'latent'"]),
        ({"view": {"sise": 3}}, ["view", "sise", "'size'"]),
        ({"corpus": {"count": "many"}}, ["corpus", "count"]),
        ({"corpus": {"count": 0}}, ["corpus", "count"]),
        ({"method": {"lr": "fast"}}, ["lr"]),
        ({"method": {"epochs": 1.5}}, ["epochs"]),
        ({"view": {"scale": [0.1]}}, ["view", "scale"]),
        ({"view": {"scale": 0.1}}, ["view", "scale"]),
        ({"backbone": {"name": "resnext"}}, ["resnext", "'resnet'"]),
    ],
)
def test_a_mistake_is_named_with_its_key_and_what_to_do(parts, words):
    with pytest.raises(UserError) as caught:
        expand(study(**parts), presets())
    text = str(caught.value)
    assert len(text.splitlines()) == 2
    for word in words:
        assert word in text, text


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"method": "moco"}, ["rows[0]", "label"]),
        ({"label": 3, "method": "moco"}, ["rows[0]", "label"]),
        ({"label": "x"}, ["rows[0] (x)", "method", "moco"]),
        ({"label": "x", "method": "mocoo"}, ["rows[0] (x)", "mocoo", "'moco'"]),
        ({"label": "x", "method": 3}, ["rows[0] (x)", "3"]),
        ({"label": "x", "method": "moco", "veiw": {}}, ["rows[0]", "veiw", "'view'"]),
        ({"label": "x", "method": "moco", "data": "half"}, ["rows[0] (x)", "half", "single_image"]),
        ({"label": "x", "method": "moco", "data": "none"}, ["rows[0] (x)", "none"]),
        ({"label": "x", "method": "random", "data": "full"}, ["rows[0] (x)", "full"]),
        ({"label": "x", "method": "supervised", "data": "single_image"}, ["rows[0] (x)", "labels"]),
        ({"label": "x", "method": {"name": "moco", "clusters": 3}}, ["rows[0] (x)", "method", "clusters"]),
        ({"label": "x", "method": "moco", "image": 3}, ["rows[0] (x)", "image"]),
        ({"label": "x", "method": "moco", "view": 3}, ["rows[0] (x)", "view"]),
    ],
)
def test_a_mistake_in_a_row_is_named_with_the_row(row, words):
    with pytest.raises(UserError) as caught:
        expand(study(rows=(row,)), presets())
    text = str(caught.value)
    assert len(text.splitlines()) == 2
    for word in words:
        assert word in text, text


def test_two_rows_of_one_label_could_not_be_told_apart():
    with pytest.raises(UserError, match="two rows are labelled 'a'"):
        expand(study(rows=({"label": "a", "method": "moco"}, {"label": "a", "method": "rotnet"})), {})


def key(run, content="pixels", precision="32-true"):
    return digest(run.identity(content, precision))


OTHERS = {
    "sgd": "adam",
    "cosine": "constant",
    "steps": "constant",
    "uniform": "log",
    "valid": "reflect",
    "default": "fine",
    "big": "small",
}


def other(value):
    """A valid value that is not this one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return OTHERS[value]
    if isinstance(value, tuple):
        return (0.5, *value[1:])
    if value == math.sqrt(2):
        return 2.0
    return value + 1 if isinstance(value, int) else value * 0.5 or 0.25


BASE = moco_of(method={"epochs": 3, "bn_splits": 2, "batch_size": 8})


@pytest.mark.parametrize("part", ["method", "view", "recipe", "backbone"])
def test_the_hash_depends_on_every_setting(part):
    settings_of = getattr(BASE, part)
    for field in fields(settings_of):
        changed = replace(settings_of, **{field.name: other(getattr(settings_of, field.name))})
        assert key(replace(BASE, **{part: changed})) != key(BASE), f"{part}.{field.name}"


def test_the_hash_depends_on_seed_pixels_precision_method_and_backbone():
    changed = [
        key(replace(BASE, seed=1)),
        key(BASE, content="other pixels"),
        key(BASE, precision="bf16-mixed"),
        key(replace(BASE, method_name="rotnet")),
        key(replace(BASE, backbone_name="conv4")),
        key(replace(BASE, data="full")),
        key(BASE),
    ]
    assert len(set(changed)) == len(changed)


def test_the_hash_does_not_depend_on_labels_axes_probes_or_the_name_of_the_image():
    assert key(replace(BASE, label="another")) == key(BASE)
    assert key(replace(BASE, axes={"method.lr": 0.03})) == key(BASE)
    assert key(replace(BASE, image=replace(BASE.image, name="copy.png"))) == key(BASE)
    probed = moco_of(method={"epochs": 3, "bn_splits": 2, "batch_size": 8}, probes={"knn": {}}, figures=("filters",))
    assert key(probed) == key(BASE)


def test_a_row_and_an_override_that_say_the_same_are_the_same_run():
    row = {"label": "one", "method": {"name": "moco", "lr": 0.5}}
    assert key(moco_of(rows=(row,))) == key(moco_of(overrides={"method.lr": 0.5})) == key(moco_of(method={"lr": 0.5}))


def test_random_weights_depend_on_seed_and_backbone_only():
    rows = ({"label": "one", "method": "random"},)
    [a] = expand(study(rows=rows), {})
    [b] = expand(study(rows=rows, view={"size": 16}, corpus={"count": 5}, method={"lr": 3.0}), {})
    assert key(a) == key(b, content="others", precision="bf16-mixed")
    assert key(replace(a, seed=1)) != key(a)


def test_full_data_does_not_depend_on_the_recipe_of_crops():
    rows = ({"label": "one", "method": "supervised"},)
    a, b = (expand(study(rows=rows, corpus=corpus), {})[0] for corpus in ({}, {"count": 5}))
    assert key(a) == key(b)


def test_a_corpus_is_as_large_as_the_published_one_unless_told():
    assert Recipe().count == 1_281_167


def test_the_hash_tells_a_part_of_the_labelled_set_from_all_of_it():
    rows = ({"label": "one", "method": "supervised"}, {"label": "two", "method": "moco"})
    whole, part = (expand(study(rows=rows, full=full), {}) for full in ({}, {"count": 64}))
    assert "full" not in whole[0].identity("pixels", "32-true")
    assert key(part[0]) != key(whole[0])
    assert key(part[1]) == key(whole[1])  # what reads no labelled set
    for wrong in ({"cuont": 3}, {"count": 0}, {"count": "many"}):
        with pytest.raises(UserError, match="count"):
            expand(study(rows=rows, full=wrong), {})


# View families

JITTER = [{"color_jitter": {"p": 0.8}}]


def test_a_row_names_its_view_family():
    rows = (
        {"label": "one", "method": "moco"},
        {"label": "two", "method": "moco", "view": {"name": "ops", "ops": JITTER}},
    )
    standard, ops = expand(study(rows=rows, view={"size": 16, "blur_p": 0.1}), {})
    assert (standard.view_name, standard.view) == ("standard", Standard(size=16, blur_p=0.1))
    assert (ops.view_name, ops.view) == ("ops", Ops(size=16, ops=JITTER))


def test_a_study_and_the_command_line_name_it_too():
    assert moco_of(view={"name": "ops", "ops": JITTER}).view == Ops(ops=JITTER)
    assert moco_of(view={"blur_p": 0.1}, overrides={"view.name": "ops", "view.strength": 2.0}).view == Ops(strength=2.0)
    runs = expand(study(sweep={"view.name": ["standard", "ops"], "view.strength": [0.5]}), {})
    assert [(run.view_name, run.view.strength) for run in runs] == [("standard", 0.5), ("ops", 0.5)]


def test_presets_of_the_standard_family_pass_other_families_by():
    row = {"label": "one", "method": "moco", "view": {"name": "ops"}}
    assert moco_of({"view": {"blur_p": 0}}, rows=(row,), methods={"moco": {"view": {"size": 48}}}).view == Ops(size=48)


def test_a_sweep_multiplies_only_rows_whose_family_has_the_setting():
    rows = ({"label": "one", "method": "moco"}, {"label": "two", "method": "moco", "view": "ops"})
    runs = expand(study(rows=rows, sweep={"view.blur_p": [0, 0.5]}), {})
    assert [run.label for run in runs] == ["one", "one", "two"]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"view": "opps"}, ["rows[0] (one)", "'opps'", "'ops'"]),
        ({"view": {"name": "ops", "blur_p": 0.3}}, ["rows[0] (one): view", "'blur_p'"]),
        (
            {"view": {"name": "ops", "ops": [{"rotate": {"degres": 3}}]}},
            ["rows[0] (one): view: ops[0]: rotate", "degres"],
        ),
        ({"view": {"sise": 3}}, ["rows[0] (one): view", "'sise'", "'size'"]),
    ],
)
def test_a_mistake_in_a_view_family_is_named_with_the_row(parts, words):
    with pytest.raises(UserError) as caught:
        expand(study(rows=({"label": "one", "method": "moco", **parts},)), {})
    for word in words:
        assert word in str(caught.value)


def test_a_setting_of_no_rows_family_is_refused():
    with pytest.raises(UserError, match=r"view\.blur_p"):
        expand(study(view={"name": "ops"}, overrides={"view.blur_p": 0.1}), {})
    with pytest.raises(UserError, match="'opps'"):
        expand(study(overrides={"view.name": "opps"}), {})


def test_the_hash_tells_families_apart_and_leaves_the_standard_ones_as_it_was():
    assert BASE.identity("pixels", "32-true").keys() == {
        "method", "backbone", "seed", "data", "content", "view", "precision", "corpus"
    }  # fmt: skip
    assert key(replace(BASE, view_name="other")) != key(BASE)
    ops = moco_of(view={"name": "ops", "ops": JITTER})
    assert key(ops) != key(replace(ops, view=replace(ops.view, ops=[{"color_jitter": {"p": 0.7}}])))
