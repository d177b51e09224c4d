"""Laws of `check`: what it says of each row is what the run would be."""

import pytest

from augstudy.study import check
from augstudy.study.check import in_all, inspect
from augstudy.study.compose import compose
from augstudy.study.pipeline import Laboratory

HERE = "image: {name: hubble}\nprobe_data: {name: photos, settings: {train_per_class: 5, test_per_class: 5}}\n"


@pytest.fixture
def laboratory(write, tmp_path):
    return lambda *overrides: Laboratory(compose(write(HERE), overrides), tmp_path / "results")


def test_a_line_has_parameters_samples_and_runs(laboratory):
    random, rot, mo = inspect(laboratory("seeds=[0,1,2]", "corpus.count=50", "method.epochs=3"))
    assert (random.row, random.method, random.data, random.samples, random.runs) == ("random", "random", "none", 0, 3)
    assert (rot.method, rot.data, rot.samples) == ("rotnet", "hubble", 50 * 3)
    assert mo.samples == 50 * 3 * 2  # two views of each crop


def test_parameters_are_those_of_the_encoder(laboratory):
    lab = laboratory()
    encoder = lab.runs[0].backbone.encoder()
    assert {line.parameters for line in inspect(lab)} == {sum(p.numel() for p in encoder.parameters())}


def test_a_point_of_a_sweep_is_a_line_of_its_own(laboratory):
    rows = [line.row for line in inspect(laboratory("view.scale=[0.1,1],[0.5,1]"))]
    assert rows == ["random", *(f"{row}, view.scale=[{low}, 1]" for row in ("rot", "mo") for low in (0.1, 0.5))]


def test_the_time_is_that_of_all_seeds_and_only_of_rows_that_train(laboratory, monkeypatch):
    budgets = []

    def fake(training, budget):
        budgets.append(budget)
        return 60.0 * training.method.epochs

    monkeypatch.setattr(check, "training_seconds", fake)
    lines = inspect(laboratory("seeds=[0,1]", "method.epochs=5"), timed=True)
    assert [line.seconds for line in lines] == [0, 600, 600]
    assert [line.shown()["time"] for line in lines] == ["-", "10 minutes", "10 minutes"]
    assert "about 20 minutes on this machine" in in_all(lines)
    assert budgets == [2.0, 2.0]


def test_rows_whose_views_differ_in_strength_alone_are_timed_once(laboratory, monkeypatch):
    timed = []
    monkeypatch.setattr(check, "training_seconds", lambda training, budget: timed.append(budget) or 1.0)
    inspect(laboratory("view.strength=0.5,1,2"), timed=True)
    assert len(timed) == 2  # two rows that train
    inspect(laboratory("view.size=16,20"), timed=True)
    assert len(timed) == 2 + 4


def test_many_rows_share_what_all_may_take(laboratory, monkeypatch):
    budgets = []
    monkeypatch.setattr(check, "training_seconds", lambda training, budget: budgets.append(budget) or 1.0)
    monkeypatch.setattr(check, "ALL", 6.0)
    inspect(laboratory("method.epochs=range(1,6)"), timed=True)
    assert len(budgets) == 10  # two rows that train
    assert sum(budgets) < 6


def test_rows_that_differ_in_their_pictures_alone_are_timed_once(write, tmp_path, monkeypatch):
    rows = "rows:\n  - {label: one, method: rotnet}\n  - {label: two, method: rotnet, image: coffee}\n"
    rows += "  - {label: three, method: {name: rotnet, lr: 0.2}}\n"
    timed = []
    monkeypatch.setattr(check, "training_seconds", lambda training, budget: timed.append(budget) or 1.0)
    lines = inspect(Laboratory(compose(write(HERE, rows=rows)), tmp_path / "results"), timed=True)
    assert [line.seconds for line in lines] == [1, 1, 1]
    assert len(timed) == 2


def test_students_of_different_teachers_are_timed_apart(write, tmp_path, monkeypatch):
    rows = "rows:\n"
    for name, width in (("wide", 1), ("narrow", 0.5)):
        rows += f"  - {{label: {name}, method: supervised, backbone: {{width: {width}}}}}\n"
        rows += f"  - {{label: taught by {name}, method: distillation, teacher: {name}}}\n"
    timed = []
    monkeypatch.setattr(check, "training_seconds", lambda training, budget: timed.append(budget) or 1.0)
    inspect(Laboratory(compose(write(HERE, rows=rows)), tmp_path / "results"), timed=True)
    assert len(timed) == 4


def test_studies_looked_at_together_time_what_they_share_once(laboratory, monkeypatch):
    timed = []
    monkeypatch.setattr(check, "training_seconds", lambda training, budget: timed.append(budget) or 1.0)
    known = {}
    for overrides in ([], [], ["precision=bf16-mixed"], ["method.epochs=7"]):
        inspect(laboratory(*overrides), timed=True, known=known)
    assert len(timed) == 2 * 3


def test_without_timing_nothing_is_said_of_time(laboratory):
    lines = inspect(laboratory())
    assert {line.seconds for line in lines} == {None}
    assert "time" not in lines[0].shown()
