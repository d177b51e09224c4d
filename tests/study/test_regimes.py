"""What a run is trained on: the words and mappings of `data`, and what they lead to."""

from pathlib import Path

import pytest
import torch
import yaml
from rich.console import Console

from augstudy.core.errors import UserError
from augstudy.data.corpus import Corpus
from augstudy.study.check import inspect
from augstudy.study.compose import compose
from augstudy.study.pipeline import Laboratory
from augstudy.study.plan import expand
from augstudy.study.progress import Reporter
from augstudy.study.regimes import Images
from augstudy.study.spec import Study

PHOTOS = "probe_data: {name: photos, settings: {train_per_class: 20, test_per_class: 5}}\n"
ROWS = """rows:
  - {label: one, method: rotnet, image: hubble}
  - {label: five, method: rotnet, data: {images: 5}, corpus: {initial_crop: 0, scale: [0.5, 1]}}
  - {label: every, method: rotnet, data: {images: all}}
  - {label: full, method: rotnet, data: full}
corpus: {count: 64}
method: {epochs: 1}
backbone: {width: 0.125}
features: {train: 60, test: 20, calibrate: 60}
"""


@pytest.fixture
def lab(write, tmp_path):
    def made(text="", *overrides, rows=ROWS):
        return Laboratory(compose(write(PHOTOS + text, rows=rows), overrides), tmp_path / "results")

    return made


def rows_of(*rows):
    return expand(Study("s", rows=tuple({"label": str(i), **row} for i, row in enumerate(rows))), {})


def test_a_number_or_all_or_a_folder():
    runs = rows_of(
        {"method": "moco", "data": {"images": 10}},
        {"method": "moco", "data": {"images": "all"}},
        {"method": "moco", "data": {"images": 3, "folder": "photos"}},
        {"method": "moco", "data": {"folder": "photos"}},
        {"method": "moco"},
    )
    assert [run.images for run in runs] == [
        Images(10), Images("all"), Images(3, "photos"), Images("all", "photos"), None
    ]  # fmt: skip
    assert [run.data for run in runs] == ["images"] * 4 + ["single_image"]
    assert [run.cropped for run in runs] == [True] * 5


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"method": "moco", "data": {"images": 0}}, ["rows[0] (0): data", "images", "0", "all"]),
        ({"method": "moco", "data": {"images": "many"}}, ["rows[0] (0): data", "'many'", "all"]),
        ({"method": "moco", "data": {"images": True}}, ["rows[0] (0): data", "True"]),
        ({"method": "moco", "data": {"image": 3}}, ["rows[0] (0): data", "'image'", "'images'"]),
        ({"method": "moco", "data": "images"}, ["rows[0] (0)", "'images'", "{images: N}"]),
        ({"method": "supervised", "data": {"images": 3}}, ["rows[0] (0)", "labels", "data: full"]),
        ({"method": "random", "data": {"images": 3}}, ["rows[0] (0)", "random"]),
    ],
)
def test_a_mistake_is_named_with_its_row(row, words):
    with pytest.raises(UserError) as caught:
        rows_of(row)
    assert len(str(caught.value).splitlines()) == 2
    for word in words:
        assert word in str(caught.value)


def test_more_images_than_the_set_has_is_told_before_any_training(lab, tmp_path):
    with pytest.raises(UserError) as caught:
        lab(rows="rows: [{label: many, method: rotnet, data: {images: 1000}}]\n").index()
    assert "row 'many'" in caught.value.what
    assert "240" in caught.value.what  # twelve photographs, twenty crops each
    assert not (tmp_path / "results").exists()


def test_each_regime_has_its_source_and_its_hash(lab):
    laboratory = lab()
    assert len({plan.key for plan in laboratory.planned}) == 4
    one, five, every, full = (laboratory.source(plan) for plan in laboratory.planned)
    assert [len(source) for source in (one, five, every)] == [64] * 3  # held constant by augmentation
    assert not isinstance(full, Corpus)
    assert [len(source.gallery) for source in (one, five, every)] == [
        1,
        5,
        220,
    ]  # photos leave out the image of the first row
    found = [line.data for line in inspect(laboratory)]
    assert found == ["hubble", "5 images of photos", "all images of photos", "full"]


def test_seeds_draw_images_of_their_own(lab):
    laboratory = lab("seeds: [0, 1]\n")
    first, second = (plan.drawn for plan in laboratory.planned if plan.run.label == "five")
    assert set(first.names) != set(second.names)
    assert first.content != second.content


def test_the_hash_covers_images_and_recipe(lab):
    def key(*overrides):
        return next(p.key for p in lab("", *overrides).planned if p.run.label == "five")

    assert key() == key()
    assert key("corpus.rotation=0") != key()
    assert key("probe_data.settings.train_per_class=21") != key()
    assert key("loggers=[csv]") == key("compute.compile=true") == key()


def test_a_run_records_what_was_drawn_and_what_it_saw(lab):
    laboratory = lab()
    laboratory.run(Reporter(Console(quiet=True)))
    for plan in laboratory.planned:
        folder = laboratory.folder.run(plan.key)
        facts = yaml.safe_load(folder.provenance.read_text())
        assert folder.crops.exists() == plan.run.cropped
        assert (facts["config"]["corpus"] is not None) == plan.run.cropped
        if plan.run.label == "five":
            assert facts["images_drawn"]["images"] == list(plan.drawn.names)
            assert facts["images_drawn"]["total"] == 220
        elif plan.run.label == "every":
            assert facts["images_drawn"]["images"] == "all"
            assert facts["images_drawn"]["seen"] == 64
        else:
            assert facts["images_drawn"] is None


def test_images_that_no_crop_shows_are_told_before_training_and_with_the_table(lab):
    laboratory, note = lab("seeds: [0, 1]\n"), "every: 64 of 220 images are seen (corpus.count)."
    assert [line for line in laboratory.notes() if "seen" in line] == [note]  # once, whatever the seeds
    assert laboratory.index()["notes"] == [note]
    assert note not in lab("", "corpus.count=220").notes()


@pytest.mark.parametrize(("count", "names"), [(4, "r0; r1; r2; r3"), (5, "r0; r1; r2; 2 rows more")])
def test_what_is_so_of_many_rows_is_told_once(lab, count, names):
    rows = "".join(f"  - {{label: r{i}, method: rotnet, data: {{images: all}}}}\n" for i in range(count))
    (note,) = lab(rows=f"corpus: {{count: 64}}\nrows:\n{rows}").index()["notes"]
    assert note == f"{names}: 64 of 240 images are seen (corpus.count)."


def test_a_folder_of_images_needs_no_labels(lab, tmp_path, picture_file):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.png").write_bytes(Path(picture_file).read_bytes())
    rows = f"rows: [{{label: two, method: moco, data: {{images: 2, folder: {folder}}}}}]\n"
    laboratory = lab(rows=rows)
    [plan] = laboratory.planned
    assert plan.pictures == f"2 images of {folder}"
    assert laboratory.source(plan).batch(torch.arange(4)).shape == (4, 3, 32, 32)
