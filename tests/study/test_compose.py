"""Laws of reading a study: what it says is what is run, and what is wrong is named with what to do."""

import pytest

from augstudy.augment.views.ops import Ops
from augstudy.core import registry
from augstudy.core.errors import UserError
from augstudy.study.compose import compose, configs_folder, presets
from augstudy.study.plan import expand

SCALES = sorted(path.stem for path in (configs_folder() / "scale").glob("*.yaml"))


def two_lines(caught, *words):
    assert len(str(caught.value).splitlines()) == 2, str(caught.value)
    for word in words:
        assert word in str(caught.value), str(caught.value)


def test_a_study_is_named_by_its_file_and_another_scale_by_both(write):
    assert compose(write()).name == "toy"
    assert compose(write(), ["scale=laptop"]).name == "toy-laptop"
    assert compose(write(), ["scale=smoke"]).name == "toy"


def test_a_scale_that_is_typed_brings_its_seeds_unless_seeds_are_typed_too(write):
    path = write("seeds: [0, 1, 2]")
    assert compose(path).seeds == (0, 1, 2)  # the file beats the scale that it names
    assert compose(path, ["scale=smoke"]).seeds == (0,)
    assert compose(path, ["scale=smoke", "seeds=[3, 4]"]).seeds == (3, 4)
    assert compose(path, ["scale=laptop"]).seeds == (0, 1, 2)  # it has no seeds of its own


def test_a_study_without_defaults_has_the_defaults_of_the_class(write):
    study = compose(write(head=""))
    assert study.seeds == (0,)
    assert study.probes == {"linear": {}}
    assert study.scale == "paper"


def test_null_leaves_the_default(write):
    study = compose(write("probes: null\nview: null\nimage: null\nseeds: null\nmethods: null"))
    assert study.probes == {"linear": {}}
    assert study.image.name == "A"
    assert study.seeds == (0,)


def test_probes_are_a_list_of_names_or_names_with_settings(write):
    assert compose(write("probes: [linear, knn]")).probes == {"linear": {}, "knn": {}}
    assert compose(write("probes: {knn: {k: 5}}")).probes == {"knn": {"k": 5}}
    assert compose(write("probes: {knn: null}")).probes == {"knn": {}}


def test_an_image_or_a_set_is_a_name_or_settings(write):
    assert compose(write("image: coffee")).image.name == "coffee"
    assert compose(write("image: {name: A, fallback: hubble}")).image.fallback == "hubble"
    assert compose(write("probe_data: {name: cifar10, fallback: photos}")).probe_data.fallback == "photos"


def test_overrides_without_a_section_are_hydras(write):
    study = compose(write(), ["seeds=[3,4]", "probes=[knn]", "title='two words'", "features.dims=64"])
    assert study.seeds == (3, 4)
    assert study.probes == {"knn": {}}
    assert study.title == "two words"
    assert study.features["dims"] == 64


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("method.temperature=0.07,0.2", [0.07, 0.2]),
        ("method.temperature=choice(0.07,0.2)", [0.07, 0.2]),
        ("method.epochs=range(1,4)", [1, 2, 3]),
        ("method.epochs=range(2,9,3)", [2, 5, 8]),
        ("method.schedule=cosine,constant", ["cosine", "constant"]),
        ("view.scale=[0.1,1],[0.5,1]", [[0.1, 1], [0.5, 1]]),
        ("backbone=conv4,conv5", ["conv4", "conv5"]),
    ],
)
def test_several_values_become_a_sweep_axis(write, text, values):
    study = compose(write(), [text])
    key = text.split("=")[0]
    assert study.sweep == {key if "." in key else f"{key}.name": values}
    assert study.overrides == {}


def test_one_value_becomes_an_override_of_the_right_type(write):
    study = compose(write(), ["method.lr=1e-3", "method.mlp=false", "backbone=conv5", "view.scale=[0.5,1]"])
    assert study.overrides == {
        "method.lr": 1e-3,
        "method.mlp": False,
        "backbone.name": "conv5",
        "view.scale": [0.5, 1],
    }


def test_a_sweep_of_the_command_line_joins_the_studys_own_and_replaces_its_values(write):
    study = compose(write("sweep: {view.strength: [0, 1], method.lr: [0.1, 0.2]}"), ["method.lr=0.3,0.4"])
    assert study.sweep == {"view.strength": [0, 1], "method.lr": [0.3, 0.4]}


def test_the_command_is_kept_so_that_it_can_be_typed_again(write):
    path = write()
    assert compose(path, ["title='a b'", "seeds=[0,1]"]).command.startswith(f"augstudy run {path} ")


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_names_itself_and_only_known_settings(write, scale, runs):
    assert compose(write(), [f"scale={scale}"]).scale == scale
    assert runs("", f"scale={scale}")


def test_every_method_preset_belongs_to_a_method(runs):
    for name in presets():
        row = f"label: one, method: {name}"
        if registry.find("learn.methods", name).needs_teacher:
            assert runs(rows=f"rows: [{{label: told, method: supervised, data: full}}, {{{row}, teacher: told}}]")
        else:
            assert runs(rows=f"rows: [{{{row}}}]")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: [0]", ["seed", "'seeds'"]),
        ("name: x", ["name"]),
        ("overrides: {}", ["overrides"]),
        ("seeds: 3", ["seeds", "not a list"]),
        ("seeds: [a]", ["seeds", "'a'"]),
        ("seeds: [1.5]", ["seeds", "1.5"]),
        ("seeds: [true]", ["seeds", "True"]),
        ("figures: layer_curves", ["figures", "not a list"]),
        ("figures: [3]", ["figures", "3"]),
        ("probes: linear", ["probes", "'linear'"]),
        ("probes: [[1]]", ["probes", "[1]"]),
        ("probes: {linear: 3}", ["probes: linear", "3"]),
        ("device: 3", ["device", "3"]),
        ("precision: 16", ["precision", "16"]),
        ("title: [1]", ["title"]),
        ("view: 3", ["view", "3"]),
        ("view: [1]", ["view"]),
        ("methods: {moco: 3}", ["moco", "3"]),
        ("methods: {moco: {method: 3}}", ["moco: method", "3"]),
        ("sweep: {method.lr: 3}", ["method.lr", "not a list"]),
        ("sweep: {1: [1]}", ["sweep", "1"]),
        ("sweep: [1]", ["sweep", "[1]"]),
        ("image: 3", ["image"]),
        ("image: {nam: A}", ["image", "'name'"]),
        ("probe_data: {name: cifar10, fall: photos}", ["probe_data", "'fallback'"]),
        ("rows: []", [":6:1: not readable YAML: this key stands here a second time"]),
        ("seeds: [0", [":6:8: not readable YAML", "Mend this line: seeds: [0"]),
    ],
)
def test_a_mistake_in_the_file_is_named_with_the_file(write, text, words):
    path = write(text)
    with pytest.raises(UserError) as caught:
        compose(path)
    two_lines(caught, str(path), *words)


@pytest.mark.parametrize("rows", ["rows: 3", "rows: {}", "rows: [3]", "rows: [[1]]"])
def test_rows_that_are_no_rows_are_named(write, rows):
    with pytest.raises(UserError) as caught:
        compose(write(rows=rows))
    two_lines(caught, "rows")


@pytest.mark.parametrize("content", ["", "- {label: a, method: moco}\n", "just words\n", "3\n"])
def test_a_file_that_holds_no_mapping_is_no_study(tmp_path, content):
    path = tmp_path / "list.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match="it holds no mapping") as caught:
        compose(path)
    two_lines(caught, str(path))


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("defaults: 3\n", ["defaults"]),
        ("defaults: [/nothing, _self_]\n", ["toy.yaml: defaults: there is no 'nothing'", "/scale: laptop"]),
        ("defaults: [/study, /scale: smok, _self_]\n", ["toy.yaml: scale: unknown scale 'smok'", "mean 'smoke'"]),
        (f"defaults: [/study, {'a' * 300}, _self_]\n", ["toy.yaml: defaults", "File name too long", "/scale: laptop"]),
        (f"defaults: [/study, /scale: {'9' * 300}, _self_]\n", ["toy.yaml: "]),
    ],
)
def test_defaults_that_are_not_there_are_named(write, head, words):
    with pytest.raises(UserError) as caught:
        compose(write(head=head))
    two_lines(caught, *words)


def test_a_missing_file_or_a_folder_is_no_study(tmp_path):
    for path in (tmp_path / "nothing.yaml", tmp_path):
        with pytest.raises(UserError, match="there is no study file") as caught:
            compose(path)
        two_lines(caught, str(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scale=enormous", ["override 'scale=enormous': unknown scale", "Known: gpu, laptop, paper, smoke"]),
        ("seeds=[a]", ["override 'seeds=[a]': seeds has 'a'"]),
        ("features=3", ["override 'features=3': features is 3"]),
        ("sedes=[0]", ["sedes", "'seeds'"]),
        ("metod.lr=1", ["metod.lr", "'method'"]),
        ("+foo=1", ["foo"]),
        ("method.lr", ["method.lr"]),
        ("method.lr=[1", ["method.lr=[1"]),
        ("a=b=c", ["a=b=c"]),
        ("=3", ["=3"]),
        ("seeds=0,1", ["seeds", "cannot be swept"]),
        ("scale=smoke,laptop", ["scale", "cannot be swept"]),
        ("method.lr=interval(0,1)", ["interval(0,1)"]),
        ("method.lr=glob(*)", ["glob(*)"]),
        ("name=x", ["name"]),
        ("overrides={}", ["overrides"]),
        ("hydra.run.dir=x", ["hydra.run.dir"]),
        ("rows=3", ["rows", "not a list"]),
        ("probes=linear", ["probes"]),
    ],
)
def test_a_mistake_in_an_override_is_named(write, text, words):
    path = write()
    with pytest.raises(UserError) as caught:
        compose(path, [text])
    two_lines(caught, *words)


def test_a_mistake_of_the_file_is_not_blamed_on_an_override(write):
    path = write("figures: 3")
    with pytest.raises(UserError) as caught:
        compose(path, ["seeds=[4]"])
    assert caught.value.what == f"{path}: figures is 3, not a list"


def test_a_sweep_can_be_typed_as_a_study_writes_it(write):
    assert compose(write(), ["sweep={method.lr: [0.1, 0.2]}"]).sweep == {"method.lr": [0.1, 0.2]}


def test_a_scale_can_only_replace_one(write):
    with pytest.raises(UserError) as caught:
        compose(write(head=""), ["scale=smoke"])
    two_lines(caught, "override 'scale=smoke'", "has no scale to replace", "/scale: laptop")


def test_what_a_study_says_for_all_rows_beats_what_its_scale_says_for_one_method(runs):
    """Smoke sets moco's ema to 0.9 and epochs of all to 2; laptop sets moco's epochs."""
    laptop = "defaults: [/study, /scale: laptop, _self_]\n"
    assert {r.method.epochs for r in runs("method: {epochs: 7}", head=laptop) if r.method.trains} == {7}
    assert runs("method: {ema: 0.5}")[2].method.ema == 0.5
    assert runs("method: {ema: 0.5}\nmethods: {moco: {method: {ema: 0.25}}}")[2].method.ema == 0.25
    assert runs("methods: {moco: {method: {dim: 4}}}")[2].method.ema == 0.9
    assert runs("method: {ema: 0.5}", "methods.moco.method.ema=0.75")[2].method.ema == 0.75


def test_a_scale_speaks_of_the_standard_family_only(write):
    """What it says of settings that the study's own family lacks is left out; what the study says of them is not."""
    parts = {"head": "defaults: [/study, /scale: laptop, _self_]\n", "rows": "rows: [{label: m, method: moco}]\n"}
    [run] = expand(compose(write("view: {name: ops, ops: [invert]}", **parts)), presets())
    assert run.view == Ops(size=16, ops=["invert"])
    with pytest.raises(UserError, match="'flip_p'"):
        expand(compose(write("view: {name: ops, flip_p: 1}", **parts)), presets())
    with pytest.raises(UserError, match=r"toy\.yaml: view: unknown view 'opps'"):
        compose(write("view: opps", **parts))
