"""What is wrong is found before anything is trained, and every published study can be built at every scale."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console

from augstudy.core.errors import UserError
from augstudy.core.records import read_record
from augstudy.learn.checkpoint import load_checkpoint, save_checkpoint
from augstudy.learn.methods.base import Context
from augstudy.study import measurement
from augstudy.study.check import inspect
from augstudy.study.compose import compose, configs_folder, presets
from augstudy.study.pipeline import Laboratory
from augstudy.study.plan import expand
from augstudy.study.progress import Reporter

STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.yaml"))
SCALES = sorted(path.stem for path in (configs_folder() / "scale").glob("*.yaml"))
PHOTOS = "probe_data: {name: photos, settings: {train_per_class: 5, test_per_class: 5}}\n"
HERE = "image: {name: hubble}\n" + PHOTOS


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_composes_and_builds_at_every_scale(path, scale, tmp_path):
    """Without a network: images and data fall back, or the study names some that are here."""
    laboratory = Laboratory(compose(path, [f"scale={scale}", "seeds=[0]"]), tmp_path)
    assert laboratory.study.scale == scale
    assert len({(run.label, run.seed, *run.axes.items()) for run in laboratory.runs}) == len(laboratory.runs)
    with torch.device("meta"):
        for run in {repr((run.method, run.backbone, run.view)): run for run in laboratory.runs}.values():
            context = Context(run.seed, run.view.size, run.recipe.count, 10)
            modules = run.method.modules(run.method.network(run.backbone, run.view).encoder(), context)
            assert not run.method.trains or run.method.optimizers(modules)
            assert run.view.graph().out_size((run.recipe.size,) * 2) == (run.view.size,) * 2


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_can_be_checked_at_smoke_scale(path, tmp_path):
    laboratory = Laboratory(compose(path, ["scale=smoke"]), tmp_path)
    lines = inspect(laboratory)
    assert sum(line.runs for line in lines) == len(laboratory.runs)
    assert not list(tmp_path.iterdir())  # nothing was written


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_no_row_that_is_compared_reads_a_whole_set_whose_size_would_set_its_number_of_steps(path, scale):
    runs = expand(compose(path, [f"scale={scale}"]), presets())
    if {run.data for run in runs if run.method.trains} != {"full"}:  # of which all rows see the same number
        assert {run.method_name for run in runs if run.data == "full"} <= {"supervised"}


@pytest.mark.parametrize("scale", SCALES)
def test_methods_side_by_side_differ_in_nothing_but_their_images(scale):
    runs = expand(compose(STUDIES[0].with_stem("methods_side_by_side"), [f"scale={scale}", "seeds=[0]"]), presets())
    for name in {run.method_name for run in runs} - {"random", "supervised"}:
        one, many = (run for run in runs if run.method_name == name)
        assert (one.data, many.data) == ("single_image", "images")
        for part in ("method", "backbone_name", "backbone", "view_name", "view"):
            assert getattr(one, part) == getattr(many, part)
        small = {"initial_crop": 0, "scale": (0.5, 1.0)}  # what images of 32 px have it in them to show
        assert replace(one.recipe, **small) == many.recipe


def lab(write, tmp_path, text="", *overrides, **parts):
    return Laboratory(compose(write(HERE + text, **parts), overrides), tmp_path / "results")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("probes: [lienar]", ["lienar", "'linear'"]),
        ("probes: {linear: {penalty: 1}}", ["linear", "penalty"]),
        ("figures: [layer_curve]", ["layer_curve", "'layer_curves'"]),
        ("features: {trian: 3}", ["features", "trian", "'train'"]),
        ("device: gpu", ["device", "gpu"]),
        ("precision: banana", ["precision", "banana", "32-true"]),
    ],
)
def test_a_mistake_beyond_the_rows_is_told_at_once(write, tmp_path, text, words):
    with pytest.raises(UserError) as caught:
        lab(write, tmp_path, text)
    assert len(str(caught.value).splitlines()) == 2
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{label: odd, method: bigan, view: {size: 24}}", ["odd", "24", "view.size"]),
        ("{label: tiny, method: rotnet, backbone: alexnet}", ["tiny", "16 px", "alexnet", "view.size"]),
    ],
)
def test_networks_that_cannot_take_the_view_are_told_before_any_training(write, tmp_path, row, words):
    with pytest.raises(UserError) as caught:
        lab(write, tmp_path, rows=f"rows: [{{label: random, method: random}}, {row}]\n")
    assert len(str(caught.value).splitlines()) == 2
    for word in words:
        assert word in str(caught.value)


def test_an_unreadable_image_is_told_before_any_training(write, tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG and no more")
    with pytest.raises(UserError, match=r"broken\.png"):
        lab(write, tmp_path, "", f"image={path}")
    assert not (tmp_path / "results").exists()


def test_a_missing_set_without_fallback_is_told_before_any_training(write, tmp_path):
    laboratory = Laboratory(compose(write("image: {name: hubble}")), tmp_path)  # cifar10, unless told otherwise
    with pytest.raises(UserError, match="CIFAR-10"):
        laboratory.index()


def test_substitutions_are_said(write, tmp_path):
    text = "image: {name: A, fallback: coffee}\nprobe_data: {name: cifar10, fallback: photos}\n"
    laboratory = Laboratory(compose(write(text)), tmp_path)
    notes = laboratory.notes()
    assert len(notes) == 2
    assert "image A cannot be had: using coffee" in notes[0]
    assert "cifar10 cannot be had: probing on photos" in notes[1]
    index = laboratory.index()
    assert index["image"]["label"] == "coffee (fallback for A)"
    assert index["probe_data"]["label"] == "photos (fallback for cifar10)"


def test_the_command_that_makes_it_again_says_where_the_results_lie(write, tmp_path):
    study = compose(write(HERE), ["seeds=[1]"])
    command = f"augstudy run {tmp_path / 'toy.yaml'} 'seeds=[1]'"
    assert Laboratory(study, Path("results")).index()["command"] == command
    other = Laboratory(study, tmp_path / "my results").index()["command"]
    assert other == f"{command} --results '{tmp_path}/my results'"


def test_a_typed_setting_that_is_wrong_is_blamed_on_what_was_typed(write, tmp_path):
    with pytest.raises(UserError, match=r"override 'features\.trian=3': features: unknown key 'trian'"):
        lab(write, tmp_path, "", "features.trian=3")
    with pytest.raises(UserError, match=r"toy\.yaml: features: unknown key 'trian'"):
        lab(write, tmp_path, "features: {trian: 3}", "seeds=[1]")


def test_smoke_trains_on_a_part_of_the_labelled_set(write, tmp_path):
    row = "rows: [{label: top, method: supervised}]\n"
    text = "image: {name: hubble}\nprobe_data: {name: photos, settings: {train_per_class: 50, test_per_class: 5}}\n"
    sources = [
        laboratory.source(laboratory.planned[0])
        for more in ("", "full: {count: 40}", "full: {count: null}")
        for laboratory in [Laboratory(compose(write(text + more, rows=row)), tmp_path)]
    ]
    assert [len(source) for source in sources] == [256 - 25, 40 - 4, 600 - 60]
    assert [len(source.held_out(1000)) for source in sources] == [25, 4, 60]
    first = torch.arange(36)
    assert torch.equal(sources[1].labels(first), sources[2].labels(first))


def test_photos_leave_out_the_photograph_that_encoders_see(write, tmp_path):
    assert "hubble" not in lab(write, tmp_path).labelled.classes
    assert "coffee" in lab(write, tmp_path).labelled.classes


def test_the_content_of_an_image_names_the_run_not_its_path(write, tmp_path, picture_file):
    copy, changed = tmp_path / "copy.png", tmp_path / "changed.png"
    copy.write_bytes(picture_file.read_bytes())
    with Image.open(picture_file) as image:
        image.rotate(180).save(changed)
    keys = [
        [p.key for p in lab(write, tmp_path, "", f"image={path}").planned] for path in (picture_file, copy, changed)
    ]
    assert keys[0] == keys[1]
    assert keys[0][0] == keys[2][0]  # random weights see no image
    assert keys[0][1] != keys[2][1]


def test_a_probe_is_named_by_its_settings_its_data_and_how_features_are_read(write, tmp_path):
    texts = [
        "probes: {knn: {k: 5}}",
        "probes: {knn: {k: 6}}",
        "probes: {knn: {k: 5}}\nfeatures: {dims: 32}",
        "probes: {knn: {k: 5}}\nimage: {name: coffee}",
    ]
    keys = []
    for text in texts:
        head = HERE if "image" not in text else PHOTOS
        lab = Laboratory(compose(write(head + text)), tmp_path)
        keys.append(lab.measurement.key("knn", lab.labelled))
    assert len(set(keys)) == len(keys)


def test_services_are_told_which_row_place_in_the_sweep_and_seed_a_run_is(write, tmp_path):
    laboratory = lab(write, tmp_path, "sweep: {method.epochs: [1, 2]}\nseeds: [0, 7]")
    names = [laboratory.training(plan).loggers.run for plan in laboratory.planned if plan.run.method_name == "rotnet"]
    assert names == [f"rot, method.epochs={epochs}, seed {seed}" for epochs in (1, 2) for seed in (0, 7)]


def test_the_labelled_set_leaves_out_the_images_of_all_rows_whatever_their_order(write, tmp_path):
    """A row that looks at the labelled set before a later row's image is found must not bring that image back in."""
    rows = [
        "  - {label: full, method: simclr, data: full}\n",
        "  - {label: one, method: simclr, image: {name: chelsea}}\n",
    ]
    prints, few = [], "probe_data: photos\nmi: {pairs: 20, estimators: {infonce: {k: 8}}}"
    for order in (rows, rows[::-1]):
        path = write(few, rows="rows:\n" + "".join(order))
        prints.append(Laboratory(compose(path), tmp_path).labelled.fingerprint)
    assert prints[0] == prints[1]


def test_seconds_of_a_run_that_was_stopped_count_all_its_epochs(write, tmp_path):
    laboratory = Laboratory(compose(write(HERE + "seeds: [0]")), tmp_path)
    plan = next(plan for plan in laboratory.planned if plan.run.method_name == "rotnet")
    folder = laboratory.folder.run(plan.key)
    laboratory.training(plan)(lambda *_: None)
    state = load_checkpoint(folder.checkpoint)
    state["history"][0]["seconds"] = 1000.0
    save_checkpoint(folder.checkpoint, state)
    assert laboratory.run_one(plan, Reporter(Console(quiet=True)))["seconds"] > 1000


def test_an_encoder_whose_features_are_no_numbers_fails_its_run_alone(write, tmp_path, monkeypatch):
    study = compose(write(HERE, rows="rows:\n  - {label: one, method: random}\n"), ["seeds=[0,1]"])
    laboratory = Laboratory(study, tmp_path / "results")
    load = measurement.load_encoder

    def broken(folder):
        encoder = load(folder)
        if folder.path.name == laboratory.planned[0].key:
            next(encoder.parameters()).data.fill_(float("nan"))
        return encoder

    monkeypatch.setattr(measurement, "load_encoder", broken)
    laboratory.run(Reporter(Console(quiet=True)))
    first, second = (read_record(laboratory.folder.run(plan.key).record) for plan in laboratory.planned)
    assert first["status"] == "failed"
    assert "a feature is not finite" in first["reason"]
    assert second["status"] == "finished"
    assert second["evaluations"]
    assert not laboratory.unfinished()


def test_a_probe_that_is_stopped_loses_none_before_it(write, tmp_path, monkeypatch):
    text = HERE + "seeds: [0]\nprobes: [knn, ridge]\n"
    study = compose(write(text, rows="rows:\n  - {label: one, method: random}\n"))
    laboratory, called = Laboratory(study, tmp_path / "results"), []
    first, second = laboratory.measurement.probes.values()
    monkeypatch.setattr(type(first), "__call__", counted(type(first).__call__, called))
    usual = type(second).__call__
    monkeypatch.setattr(type(second), "__call__", stopped)
    with pytest.raises(KeyboardInterrupt):
        laboratory.run(Reporter(Console(quiet=True)))
    (plan,) = laboratory.unfinished()
    assert [e["probe"] for e in read_record(laboratory.folder.run(plan.key).record)["evaluations"]] == ["knn"]
    monkeypatch.setattr(type(second), "__call__", usual)
    laboratory.run(Reporter(Console(quiet=True)))
    assert called == ["knn"]
    assert [e["probe"] for e in read_record(laboratory.folder.run(plan.key).record)["evaluations"]] == ["knn", "ridge"]


def counted(call, called):
    def noted(self, *given):
        called.append("knn")
        return call(self, *given)

    return noted


def stopped(self, *given):
    raise KeyboardInterrupt


def test_galleries_of_an_encoder_that_was_here_before_go_with_it(write, tmp_path):
    laboratory = Laboratory(compose(write(HERE + "seeds: [0]")), tmp_path)
    plan = laboratory.planned[0]
    old = laboratory.folder.run(plan.key).gallery("neighbours")
    old.parent.mkdir(parents=True)
    old.write_bytes(b"of another encoder")
    laboratory.run_one(plan, Reporter(Console(quiet=True)))
    assert not old.exists()


def test_what_a_kill_left_of_a_run_that_was_just_finished_is_taken_away(write, tmp_path):
    """Killed between its last record and the end of its lock."""
    study = compose(write(HERE + "seeds: [0]\n", rows="rows:\n  - {label: one, method: random}\n"))
    laboratory = Laboratory(study, tmp_path / "results")
    laboratory.run(Reporter(Console(quiet=True)))
    folder = laboratory.folder.run(laboratory.planned[0].key)
    before = {path.name for path in folder.path.iterdir()}
    folder.lock.touch()
    (folder.path / ".record.json.abc.tmp.json").write_text("half of")
    assert not laboratory.run(Reporter(Console(quiet=True)))
    assert {path.name for path in folder.path.iterdir()} == before
