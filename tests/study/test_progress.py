"""What a person sees while a study runs."""

import io

import pytest
from rich.console import Console

from augstudy.study.compose import compose
from augstudy.study.pipeline import Laboratory
from augstudy.study.progress import Reporter

HERE = "image: {name: hubble}\nprobe_data: {name: photos, settings: {train_per_class: 5, test_per_class: 5}}\n"


def evaluation(probe, key, metric, *values):
    metrics = [{"layer": f"conv{i}", "metric": metric, "value": v} for i, v in enumerate(values, 1)]
    return {"probe": probe, "key": key, "metrics": [*metrics, {"layer": "conv1", "metric": "penalty", "value": 9.0}]}


def said(record, main):
    console = Console(file=io.StringIO(), width=80)
    reporter = Reporter(console)
    reporter.begin("[1/2] rot, seed 0", "")
    reporter.end(record, main)
    return console.file.getvalue().splitlines()[-1]


@pytest.mark.parametrize(
    ("main", "line"),
    [
        (evaluation("linear", "k", "top1", 51.26, 53.0), ", linear top-1 %: conv1 51.3, conv2 53.0"),
        (evaluation("infonce", "k", "nats", 1.23456, None), ", infonce nats: conv1 1.235, conv2 -"),
        (None, ""),
    ],
)
def test_the_last_word_on_a_run_names_the_probe_and_its_first_metric(main, line):
    assert said({"status": "finished", "seconds": 7.2}, main) == f"[1/2] rot, seed 0: 7 s{line}"


def test_a_failed_run_says_why():
    assert said({"status": "failed", "reason": "loss is NaN"}, None) == "[1/2] rot, seed 0: FAILED, loss is NaN"


def test_the_main_evaluation_is_the_first_named_probes_as_the_study_has_it_now(write, tmp_path):
    lab = Laboratory(compose(write(HERE + "probes: [knn, linear]")), tmp_path)
    measurement, data = lab.measurement, lab.labelled
    old, mine = evaluation("knn", "outdated", "top1", 1.0), evaluation("knn", measurement.key("knn", data), "top1", 2.0)
    linear = evaluation("linear", measurement.key("linear", data), "top1", 3.0)
    assert measurement.main({"evaluations": [linear, old, mine]}, data) == mine
    assert measurement.main({"evaluations": [linear, old]}, data) is None
