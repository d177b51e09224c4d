"""Galleries are made for the figures that ask for them, from what a run has saved, and once."""

import numpy as np
import pandas as pd
import pytest
import torch

from augstudy.core import registry
from augstudy.core.bundle import read_arrays
from augstudy.core.store import RunFolder, StudyFolder
from augstudy.data.corpus import Corpus, Recipe, Whole
from augstudy.evaluate.visuals.style import StyleTransfer
from augstudy.show.base import load
from augstudy.study import pictures
from augstudy.study.compose import compose
from augstudy.study.pictures import Pictures, classes_of
from augstudy.study.pipeline import Laboratory
from augstudy.study.progress import Reporter

STUDY = """defaults: [/study, /scale: smoke, _self_]
title: A toy
image: {{name: {image}}}
probe_data: {{name: photos, settings: {{train_per_class: 10, test_per_class: 3}}}}
rows:
  - {{label: random, method: random}}
  - {{label: DeepCluster, method: {{name: deepcluster, epochs: 1}}, data: {{images: 40}}}}
corpus: {{count: 96}}
backbone: {{width: 0.125}}
features: {{train: 60, test: 30, calibrate: 40, dims: 64}}
probes: [knn]
seeds: [0, 1]
loggers: []
"""
ALL = ["clusters", "neighbours", "confusions", "pca_colours", "style_transfer"]


class Silent(Reporter):
    """Says nothing."""

    def __init__(self):
        pass

    def study(self, *_):
        pass

    begin = step = end = close = study


@pytest.fixture(scope="module")
def study(tmp_path_factory, picture_file):
    path = tmp_path_factory.mktemp("study") / "toy.yaml"
    path.write_text(STUDY.format(image=picture_file))
    return path


@pytest.fixture(scope="module")
def made(study, tmp_path_factory):
    """(folder, runs by label and seed, when encoders were written, whether the next run did anything)."""
    results = tmp_path_factory.mktemp("results")
    small = pictures.OfStyle(StyleTransfer(steps=2), size=64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(pictures.GALLERIES, "style_transfer", small)
        Laboratory(compose(study, ["figures=[filters]"]), results).run(Silent())
        folder = StudyFolder(results / "toy")
        before = {path: path.stat().st_mtime_ns for path in folder.path.glob("runs/*/encoder.safetensors")}
        none = list(folder.path.glob("runs/*/galleries"))
        asked = [f"figures=[{','.join(ALL)}]"]
        first = Laboratory(compose(study, asked), results)
        changed = first.run(Silent())
        again = Laboratory(compose(study, asked), results).run(Silent())
    runs = {(plan.run.label, plan.run.seed): folder.run(plan.key) for plan in first.planned}
    return folder, runs, before, none, changed, again


def test_a_figure_asked_for_later_is_made_from_the_saved_encoder(made):
    _, _, before, none, changed, again = made
    assert none == []
    assert len(before) == 4
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (changed, again) == (True, False)


def test_galleries_are_of_the_first_seed_and_clusters_of_methods_that_have_them(made):
    _, runs, *_ = made
    found = {who: sorted(path.stem for path in run.path.glob("galleries/*.npz")) for who, run in runs.items()}
    assert found["random", 0] == sorted(set(ALL) - {"clusters"})
    assert found["DeepCluster", 0] == sorted(ALL)
    assert found["random", 1] == found["DeepCluster", 1] == []


def test_purity_counts_the_classes_of_the_images_that_crops_are_cut_from(made):
    _, runs, *_ = made
    arrays = read_arrays(runs["DeepCluster", 0].gallery("clusters"))
    assert 1 / 12 < float(arrays["mean_purity"]) <= 1
    assert arrays["crops"].shape[1:] == (8, 32, 32, 3)
    assert (arrays["size"] > 0).all()


def test_confusions_and_neighbours_agree_with_the_probe(made):
    folder, runs, *_ = made
    counts = read_arrays(runs["random", 0].gallery("confusions"))["counts"]
    assert counts.sum() == 30
    frame = load(folder).frame
    mine = frame[(frame["label"] == "random") & (frame["seed"] == 0) & (frame["probe"] == "knn")]
    top1 = pd.Series(mine["value"].values, mine["layer"])[mine["metric"].values == "top1"]
    assert 100 * np.trace(counts) / counts.sum() == pytest.approx(top1["conv4"])


def test_the_figures_are_drawn_from_them(made):
    folder, *_ = made
    results = load(folder)
    for name in ALL:
        assert registry.find("show.figures", name)()(results).axes


def test_a_damaged_gallery_and_one_of_other_settings_are_made_again(made, study):
    folder, runs, *_ = made
    laboratory = Laboratory(compose(study, ["figures=[style_transfer,pca_colours]"]), folder.path.parent)
    plan, run = laboratory.planned[0], runs["random", 0]
    small = pictures.OfStyle(StyleTransfer(steps=2), size=64)
    for gallery, lacking in ((small, []), (pictures.OfStyle(StyleTransfer(steps=3), size=64), ["style_transfer"])):
        laboratory.pictures.galleries["style_transfer"] = gallery
        assert laboratory.pictures.lacking(plan.run, run, laboratory.labelled) == lacking
    laboratory.pictures.galleries["style_transfer"] = small
    whole = run.gallery("pca_colours").read_bytes()
    run.gallery("pca_colours").write_bytes(whole[:100])
    assert laboratory.pictures.lacking(plan.run, run, laboratory.labelled) == ["pca_colours"]
    run.gallery("pca_colours").write_bytes(whole)


def test_crops_of_labelled_images_have_the_classes_of_these(split, picture):
    few = Corpus(split, Recipe(count=70, size=16))
    assert torch.equal(classes_of(few), split.labels[torch.arange(70) % 60])
    assert classes_of(Corpus(picture, Recipe(count=70, size=16))) is None
    whole = Whole(split, 32, reserve=10)
    assert torch.equal(classes_of(whole), whole.labels(torch.arange(len(whole))))


def test_figures_that_need_no_gallery_cost_none():
    assert Pictures(["layer_curves", "filters", "filter_statistics", "samples"], None).galleries == {}


def test_attention_is_of_transformers_only(run_of, tmp_path):
    gallery = pictures.GALLERIES["attention"]
    assert [gallery.applies(run_of(name), RunFolder(tmp_path)) for name in ("mae", "rotnet")] == [True, False]
