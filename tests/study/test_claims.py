"""Laws of claims in a study: what they name is looked for before anything is trained, and they change no run."""

import pytest

from augstudy.core.errors import UserError
from augstudy.study.claims import check_claims
from augstudy.study.compose import compose, presets
from augstudy.study.pipeline import Laboratory
from augstudy.study.plan import expand

HERE = "image: {name: hubble}\nprobe_data: {name: photos, settings: {train_per_class: 5, test_per_class: 5}}\n"
CLAIM = "{say: so, greater: {label: rot, layer: conv2}, than: {label: random}}"


def claims(*nodes, more=""):
    return f"{more}\nclaims:\n" + "\n".join(f"  - {node}" for node in nodes)


def checked(path, *overrides):
    study = compose(path, overrides)
    check_claims(study, expand(study, presets()))
    return study


def test_claims_of_known_rows_layers_probes_and_axes_pass(write):
    checked(
        write(
            claims(
                CLAIM,
                "{say: so, greater: {label: mo, layer: conv4, probe: knn}, than: {label: rot, layer: conv1}, by: 1}",
                "{say: so, greater: {label: mo, layer: conv4, view.strength: 0.5}, than: {view.strength: 0}}",
                "{say: so, not_worse: {label: mo, layer: conv4, metric: penalty}, than: {label: random}, by: 1.0}",
                more="probes: [linear, knn]\nsweep: {view.strength: [0, 0.5]}",
            )
        )
    )


@pytest.mark.parametrize(
    ("side", "words"),
    [
        ("{label: rott, layer: conv2}", ["claims[0]: greater", "unknown row 'rott'", "'rot'"]),
        ("{label: rot, layer: conv22}", ["claims[0]: greater", "conv4 has no layer 'conv22'", "'conv2'"]),
        ("{label: rot, layer: conv5}", ["claims[0]: greater", "'conv5'"]),
        ("{label: rot, layer: conv2, probe: knn}", ["claims[0]: greater", "unknown probe 'knn'", "linear"]),
        ("{label: rot, layer: conv2, metric: top5}", ["claims[0]: greater", "no metric 'top5'", "'top1'"]),
        ("{label: rot, layer: conv2, view.strength: 2}", ["claims[0]: greater", "view.strength", "0.5"]),
        ("{label: rot, layer: conv2, view.strenght: 0}", ["claims[0]: greater", "'view.strenght'", "'view.strength'"]),
        ("{label: random, layer: conv2, view.strength: 2}", ["claims[0]: greater", "view.strength", "0.5"]),
        ("{label: random, layer: conv2, view.strength: 0}", ["claims[0]", "compared with itself"]),
        ("{label: random, layer: conv2}", ["claims[0]", "compared with itself"]),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_nearest_name(write, side, words):
    text = claims(f"{{say: so, greater: {side}, than: {{label: random}}}}", more="sweep: {view.strength: [0, 0.5]}")
    with pytest.raises(UserError) as caught:
        checked(write(text))
    assert len(str(caught.value).splitlines()) == 2
    for word in words:
        assert word in str(caught.value)


def test_a_claim_finds_a_row_that_the_axis_it_names_does_not_reach(write):
    sides = "greater: {label: rot, layer: conv2, view.strength: 0.5}, than: {label: random, view.strength: 0.5}"
    checked(write(claims(f"{{say: so, {sides}}}", more="sweep: {view.strength: [0, 0.5]}")))


def test_a_value_that_both_sides_would_share_compares_nothing(write):
    node = "{say: so, greater: {label: rot, layer: conv2, view.strength: 0}, than: {label: rot}}"
    with pytest.raises(UserError, match="compared with itself"):
        checked(write(claims(node, more="sweep: {view.strength: [0, 0.5]}")))


def test_a_layer_must_be_there_at_every_value_of_an_open_axis(write):
    path = write(claims("{say: so, greater: {label: rot, layer: conv5}, than: {label: random}}"))
    checked(path, "backbone=conv5")
    with pytest.raises(UserError, match="conv4 has no layer 'conv5'"):
        checked(path, "backbone=conv4,conv5")


def test_a_layer_need_only_be_there_where_the_claim_looks(write):
    node = "{say: so, greater: {label: rot, layer: conv5, backbone.name: conv5}, than: {label: random}}"
    checked(write(claims(node, more="sweep: {backbone.name: [conv4, conv5]}")))


def test_a_sweep_of_the_command_line_leaves_claims_valid(write):
    checked(write(claims(CLAIM)), "corpus.rotation=0,35")


def test_rows_taken_away_on_the_command_line_leave_claims_that_can_be_left_out(write):
    path, rows = write(claims(CLAIM)), "rows=[{label: random, method: random}]"
    with pytest.raises(UserError, match=r"claims=\[\]"):
        checked(path, rows)
    assert checked(path, rows, "claims=[]").claims == ()


@pytest.mark.parametrize(("text", "words"), [("claims: 3", ["claims", "not a list"]), ("claims: [so]", ["'so'"])])
def test_claims_that_are_no_claims_are_named_with_the_file(write, text, words):
    path = write(text)
    with pytest.raises(UserError) as caught:
        compose(path)
    for word in (str(path), *words):
        assert word in str(caught.value)


def test_a_laboratory_checks_them_keeps_them_and_names_its_runs_without_them(write, tmp_path):
    plain = Laboratory(compose(write(HERE)), tmp_path)
    claiming = Laboratory(compose(write(HERE + claims(CLAIM))), tmp_path)
    assert [plan.key for plan in plain.planned] == [plan.key for plan in claiming.planned]
    assert plain.index()["claims"] == []
    assert claiming.index()["claims"] == [
        {"say": "so", "greater": {"label": "rot", "layer": "conv2"}, "than": {"label": "random"}}
    ]
    with pytest.raises(UserError, match="'rott'"):
        Laboratory(compose(write(HERE + claims(CLAIM.replace("rot,", "rott,")))), tmp_path)
