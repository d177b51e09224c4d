"""Laws of teachers: which run teaches which, whose hash depends on whose, and who waits for whom."""

import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.core.records import read_record
from augstudy.core.store import RunFolder, write_json
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.checkpoint import save_encoder
from augstudy.learn.classifier import save_head, untrained
from augstudy.study.check import inspect
from augstudy.study.compose import compose
from augstudy.study.pipeline import Laboratory
from augstudy.study.stock import waits

HERE = "image: {name: hubble}\nprobe_data: {name: photos, settings: {train_per_class: 5, test_per_class: 5}}\n"
SMALL = "corpus: {count: 32}\nbackbone: {width: 0.125}\nmethod: {epochs: 1}\nprobes: [own_head]\nfigures: []\n"
ROWS = "rows:\n  - {label: t, method: supervised}\n  - {label: s, method: distillation, teacher: t}\n"


@pytest.fixture
def lab(write, tmp_path):
    """`lab("seeds=[0,1]", rows=...)`: such a study, its results in one folder."""
    return lambda *overrides, rows=ROWS: Laboratory(
        compose(write(HERE + SMALL, rows=rows), ["loggers=[csv]", *overrides]), tmp_path / "results"
    )


def row(teacher):
    return f"rows:\n  - {{label: s, method: distillation, teacher: {teacher}}}\n"


class Silent:
    def begin(self, *words): ...
    def step(self, *words): ...
    def end(self, *words): ...


def test_a_student_is_taught_by_the_run_of_its_own_seed_and_place(lab):
    plans = lab("seeds=[0,1]", "backbone.width=0.125,0.25").planned
    teachers = {plan.key: plan for plan in plans if plan.run.label == "t"}
    students = [plan for plan in plans if plan.run.label == "s"]
    assert len(teachers) == len(students) == 4
    for plan in students:
        mine = teachers[plan.teacher.key].run
        assert (mine.seed, mine.axes) == (plan.run.seed, plan.run.axes)


def test_the_hash_of_a_student_is_of_its_teacher_too_and_not_of_its_name(lab):
    keys = {}
    for name, text in (("as it is", ROWS), ("renamed", ROWS.replace("label: t", "label: u").replace(": t}", ": u}"))):
        keys[name] = lab(rows=text).planned[-1].key
    keys["other"] = lab(
        rows=ROWS.replace("{label: t, method: supervised}", "{label: t, method: {name: supervised, lr: 1}}")
    )
    assert keys["as it is"] == keys["renamed"] != keys["other"].planned[-1].key


def test_a_run_of_the_study_is_learnt_from_once_it_is_there(lab):
    laboratory = lab()
    teacher, student = laboratory.planned
    assert waits(student, laboratory.folder)
    assert not waits(teacher, laboratory.folder)
    laboratory.work(Silent())
    record = read_record(laboratory.folder.run(student.key).record)
    assert record["status"] == "finished"
    found = {m["metric"]: m["value"] for m in record["evaluations"][0]["metrics"]}
    theirs = read_record(laboratory.folder.run(teacher.key).record)["evaluations"][0]["metrics"]
    assert found["teacher_top1"] == theirs[0]["value"]
    assert {"top1", "agreement"} < set(found)
    assert not laboratory.unfinished()


def test_a_failed_teacher_fails_its_students_and_says_so(lab):
    laboratory = lab()
    teacher, student = laboratory.planned
    failed = {"status": "failed", "reason": "the loss became nan", "layers": [], "pretext": [], "evaluations": []}
    write_json(laboratory.folder.run(teacher.key).record, failed)
    laboratory.work(Silent())
    record = read_record(laboratory.folder.run(student.key).record)
    assert record["status"] == "failed"
    assert record["reason"] == "its teacher failed, t, seed 0: the loss became nan"


def test_what_a_row_will_cost_is_told_before_its_teacher_is_there(lab):
    line = inspect(lab(), timed=True)[1]
    assert line.seconds > 0


@pytest.fixture
def theirs(tmp_path):
    """A run of ours from elsewhere."""
    folder, made = RunFolder(tmp_path / "elsewhere"), untrained(Conv4(width=0.25), 7)
    save_encoder(folder, made.encoder, "conv4", {"width": 0.25})
    save_head(folder, made.head)
    return folder


def test_a_checkpoint_teaches_wherever_it_lies_and_its_content_is_in_the_hash(lab, theirs, tmp_path):
    moved = theirs.path.rename(tmp_path / "moved")
    plan = (laboratory := lab(rows=row(f"{{path: {moved}}}"))).planned[0]
    assert laboratory.training(plan).context().classes == 7
    back = moved.rename(theirs.path)
    assert lab(rows=row(f"{{path: {back}}}")).planned[0].key == plan.key
    save_head(theirs, torch.nn.Linear(128 // 4, 7))
    assert lab(rows=row(f"{{path: {back}}}")).planned[0].key != plan.key


def test_a_head_of_other_classes_than_the_set_has_is_judged_by_agreement_alone(lab, theirs):
    laboratory = lab(rows=row(f"{{path: {theirs.path}}}"))
    laboratory.work(Silent())
    record = read_record(laboratory.folder.run(laboratory.planned[0].key).record)
    assert [m["metric"] for m in record["evaluations"][0]["metrics"]] == ["agreement"]


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ("rows: [{label: s, method: distillation}]\n", r"rows\[0\] \(s\): distillation needs a teacher"),
        ("rows: [{label: s, method: moco, teacher: t}]\n", "moco has no use for a teacher"),
        (row("t"), "teacher: no row above is called 't'"),
        (row("s"), "teacher: no row above is called 's'"),
        ("rows: [{label: t, method: moco}, {label: s, method: distillation, teacher: t}]\n", "'t' tells no classes"),
        (row("[t]"), r"teacher is \['t'\], neither a label nor settings"),
        (row("{pfad: x}"), "teacher: unknown key 'pfad'"),
        (row("{backbone: resnet}"), "teacher: it has no path"),
        (row("{path: nowhere.pth, backbone: resnet}"), "row 's': teacher: there is no file nowhere.pth"),
        (row("{path: nowhere.pth, backbone: resnet9}"), "row 's': teacher: unknown backbone 'resnet9'"),
        (row("{path: nowhere}"), "row 's': teacher: there is no file nowhere/encoder.safetensors"),
    ],
)
def test_a_teacher_that_cannot_teach_is_found_before_anything_is_trained(rows, what, lab):
    with pytest.raises(UserError, match=what) as caught:
        lab(rows=rows)
    assert caught.value.fix


def test_a_checkpoint_of_an_unnamed_network_says_how_to_name_it(lab, tmp_path):
    path = tmp_path / "x.pth"
    path.write_bytes(b"")
    with pytest.raises(UserError, match="has no card that says which network it is") as caught:
        lab(rows=row(f"{{path: {path}}}"))
    assert "backbone: resnet" in caught.value.fix
