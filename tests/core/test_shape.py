"""Records and YAML files that only look like ones are told before anything reads them."""

import json

import pytest

from augstudy.core.errors import UserError
from augstudy.core.records import checked_record, read_record
from augstudy.core.shape import misshapen, overgrown
from augstudy.core.store import read_yaml

METRIC = {"layer": "conv1", "metric": "top1", "value": 50.5, "low": None, "high": None}
EVALUATION = {"key": "abc", "probe": "linear", "probe_data": "cifar10", "metrics": [METRIC]}
RECORD = {
    "status": "finished",
    "seconds": 1.5,
    "layers": ["conv1"],
    "pretext": [{"metric": "loss", "value": float("nan")}],
    "evaluations": [EVALUATION],
}


def test_a_record_is_one():
    assert misshapen(RECORD) == ""
    assert checked_record(RECORD, "here") == RECORD


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"status": "done"}, "status is neither finished nor failed"),
        ({"layers": None}, "layers is no list of names"),
        ({"layers": [1]}, "layers is no list of names"),
        ({"seconds": "long"}, "seconds is no number"),
        ({"seconds": 10**400}, "seconds is no number"),
        ({"pretext": {}}, "pretext is no list of mappings"),
        ({"pretext": [{"metric": "loss", "value": True}]}, r"pretext\[0\] has no metric and value"),
        ({"evaluations": [3]}, "evaluations is no list of mappings"),
        ({"evaluations": [{**EVALUATION, "key": None}]}, r"evaluations\[0\]: key is no text"),
        ({"evaluations": [{**EVALUATION, "metrics": "all"}]}, r"evaluations\[0\]: metrics is no list"),
        ({"evaluations": [{**EVALUATION, "metrics": [{**METRIC, "low": "-"}]}]}, r"metrics\[0\] has no layer, metric"),
        ({"evaluations": [{**EVALUATION, "metrics": [{"layer": "a", "metric": "b"}]}]}, r"metrics\[0\] has no layer"),
    ],
)
def test_what_is_wrong_with_a_record_is_told(tmp_path, change, what):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(RECORD | change))
    with pytest.raises(UserError, match=f"record.json is no record of a run: .*{what}"):
        read_record(path)


def test_json_of_bottomless_brackets_is_an_error(tmp_path):
    (tmp_path / "record.json").write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"record.json is not readable JSON"):
        read_record(tmp_path / "record.json")


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}, *a{i}]\n" for i in range(30))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (LAUGHS, "too large, too deep or refers to itself"),
        ("a: &a [*a]", "too large, too deep or refers to itself"),
        ("a: " + "[" * 200 + "]" * 200, "too large, too deep or refers to itself"),
        ("[" * 20_000, "not readable YAML"),
        ("a: 2001-99-99", "not readable YAML: a value is not what it says it is"),
        ("a: !!timestamp x", "not readable YAML: a value is not what it says it is"),
        ("a: !!bool x", "not readable YAML: a value is not what it says it is"),
        ("a: !!int x", "not readable YAML: a value is not what it says it is"),
    ],
)
def test_yaml_that_would_burst_is_an_error(tmp_path, text, what):
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(UserError, match=what) as error:
        read_yaml(tmp_path / "study.yaml")
    assert "study.yaml" in error.value.what


def test_what_its_text_writes_out_is_not_overgrown(tmp_path):
    """Such as the index of a study of ten thousand runs, or a run that lists 200,000 images."""
    assert not overgrown(None, 0)
    path = tmp_path / "run.yaml"
    path.write_text("images: [" + ", ".join("0" * 200_000) + "]\n")
    assert len(read_yaml(path)["images"]) == 200_000
