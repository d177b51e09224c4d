"""What a study may ask of pairs of views, and what it is told before anything is trained."""

from pathlib import Path

import pytest

from augstudy.core.errors import UserError
from augstudy.study.compose import compose
from augstudy.study.information import Information
from augstudy.study.pipeline import Laboratory
from augstudy.study.trial import check_reach, try_networks

WHERE = "toy.yaml: mi"


def one(method, view, *overrides):
    return f"rows: [{{label: pairs, method: {method}, view: {view}}}]\n"


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"estimators": ["infonse"]}, ["infonse", "infonce"]),
        ({"pair": 3}, ["unknown key 'pair'", "pairs"]),
        ({"estimators": {"infonce": {"K": 3}}}, ["infonce", "'K'", "k"]),
        ({"pairs": 500, "estimators": {"infonce": {"k": 512}}}, ["infonce with k 512", "needs 1,025", "there are 500"]),
        ({"pairs": 20, "estimators": ["ksg"]}, ["ksg needs 50"]),
    ],
)
def test_a_mistake_is_named_with_its_place(node, words):
    with pytest.raises(UserError) as caught:
        Information.of(node, WHERE)
    for word in [WHERE, *words]:
        assert word in str(caught.value), str(caught.value)


def test_a_changed_setting_or_count_is_measured_anew():
    nodes = [{"estimators": ["ksg"]}, {"estimators": {"ksg": {"dims": 2}}}, {"estimators": ["ksg"], "pairs": 900}]
    assert len({Information.of(node, WHERE).key("ksg") for node in nodes}) == 3


def test_only_methods_that_compare_views_are_measured(run_of):
    information = Information.of({"estimators": ["ksg"]}, WHERE)
    assert information.covers(run_of("simclr"))
    assert information.covers(run_of("moco"))
    assert not information.covers(run_of("rotnet"))
    assert not Information.of({}, WHERE).covers(run_of("simclr"))


def test_a_source_that_keeps_too_few_out_names_the_row(run_of):
    with pytest.raises(UserError, match=r"row 'one': mi: infonce with k 1024 needs 2,049 pairs, and there are 512"):
        Information.of({"estimators": ["infonce"]}, WHERE).check_run(run_of("simclr"), 512)


@pytest.mark.parametrize(
    ("method", "view", "words"),
    [
        ("rotnet", "overlap", ["row 'pairs'", "overlap come in pairs", "rotnet looks at single ones"]),
        ("moco", "split", ["row 'pairs'", "1 and 2 channels", "moco trains one"]),
        ("moco", "frequency", ["row 'pairs'", "3 and 3 channels", "moco trains one"]),
        ("rotnet", "multicrop", ["row 'pairs'", "8 views of a crop", "rotnet trains on 1", "simclr", "1x100%"]),
        ("simclr", "{name: multicrop, crops: 1x16}", ["row 'pairs': view:", "too few large views", "2x16"]),
    ],
)
def test_a_family_that_does_not_fit_the_method_names_the_row(runs, method, view, words):
    with pytest.raises(UserError) as caught:
        try_networks(runs(rows=one(method, view))[0])
    for word in words:
        assert word in str(caught.value)


def test_sides_that_do_not_fit_the_backbone_name_the_row(runs):
    run = runs("backbone: {name: alexnet, sobel: true}\nview: {size: 64}", rows=one("simclr", "split"))[0]
    with pytest.raises(UserError, match="row 'pairs': the backbone sees edges"):
        try_networks(run)


def test_an_offset_that_leaves_the_image_names_the_row_and_the_limit(runs):
    run = runs(rows=one("simclr", "{name: distance, patch: 64, distance: 500}"))[0]
    with pytest.raises(UserError, match=r"row 'pairs': with view.distance 500 px .* 512 px.*\n.*at most 448"):
        check_reach(run, [(512, 700)])


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["smoke", "laptop", "gpu", "paper"])
@pytest.mark.parametrize("name", ["min_scale", "jitter", "distance", "split", "frequency"])
def test_the_infomin_studies_compose_at_every_scale(name, scale, tmp_path):
    path = Path(__file__).parents[2] / "studies" / f"infomin_{name}.yaml"
    laboratory = Laboratory(compose(path, [f"scale={scale}"]), tmp_path)
    assert len({run.place for run in laboratory.runs if run.method.trains}) >= 5
    assert set(laboratory.information.estimators) == {"infonce", "smile", "ksg"}
