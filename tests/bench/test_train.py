"""`bench train` and `bench compute`: the lines, and that the sides do the same work."""

from dataclasses import replace

import pytest
import torch

from augstudy.augment.views.standard import Standard
from augstudy.bench import train
from augstudy.bench.base import Settings
from augstudy.bench.compute import WAYS, Ways
from augstudy.bench.references import pipeline
from augstudy.bench.train import Epochs, Steps, Train, card_run, loop_of, part_of, preset_run

CPU = torch.device("cpu")


@pytest.fixture
def one_worker(monkeypatch):
    for module in (train, pipeline):
        monkeypatch.setattr(module, "cores", lambda: 1)


@pytest.fixture
def loop(picture):
    """`loop("moco")`: two batches of 32 at smoke scale."""
    return lambda method: loop_of(part_of(preset_run("smoke", method), 4, 2), picture, CPU)


def test_a_line_tells_method_size_and_share(picture_file, one_worker):
    settings = Settings(device="cpu", image=str(picture_file))
    [line] = [line.record() for line in Train(parts=2, scale="smoke", methods=("moco",)).lines(settings)]
    assert (line["bench"], line["method"], line["size"], line["crop_size"]) == ("train", "moco", 16, 32)
    assert line["device"] == "cpu"
    assert line["reference"].startswith("lightly ")
    assert line["ratio"] == pytest.approx(line["ours_per_s"] / line["reference_per_s"], rel=2e-3)
    assert line["compute_share"] == pytest.approx(line["ours_per_s"] / line["compute_per_s"], rel=2e-3)


def test_sizes_are_those_of_views():
    preset, larger = preset_run("laptop", "moco"), preset_run("laptop", "moco", 32)
    assert (preset.view.size, larger.view.size) == (16, 32)
    assert preset.recipe == larger.recipe
    assert preset.recipe.size == 32


def test_on_a_card_moco_is_timed_with_a_resnet18_at_224_px(picture):
    run = card_run(parts=5)
    assert (run.view.size, run.method.batch_size, run.recipe.count) == (224, 256, 5120)
    assert part_of(run, 5, 6).recipe.count == 1024
    method = replace(run.method, batch_size=8, bn_splits=2, queue=16)
    small = replace(run, method=method, recipe=replace(run.recipe, count=8, size=40), view=replace(run.view, size=32))
    made = loop_of(small, picture, CPU)
    assert Epochs(made).start()() == 8
    assert made.backbone.encoder().torchvision() == "resnet18"


@pytest.mark.gpu
def test_augmentation_takes_less_than_15_per_cent_of_a_resnet18_step(picture_file):
    settings = Settings(device="cuda", image=str(picture_file))
    line = [line.record() for line in Train(methods=("moco",)).lines(settings)][-1]
    assert line["backbone"] == "resnet"
    assert line["compute_share"] > 0.85


def test_a_part_is_whole_batches():
    run = part_of(preset_run("laptop", "moco"), 5, 6)
    assert (run.recipe.count, run.method.batch_size, run.method.epochs) == (3968, 128, 6)
    assert part_of(preset_run("smoke", "moco"), 1000, 1).recipe.count == 32


@pytest.mark.parametrize("method", ["moco", "rotnet"])
def test_ours_and_the_bare_compute_take_as_many_steps(loop, method):
    made = loop(method)
    assert Epochs(made).start()() == Steps(made).start()() == len(made.source) == 64


@pytest.mark.parametrize("method", ["moco", "rotnet"])
def test_the_reference_reads_the_same_crops(loop, method):
    made = loop(method)
    dataset = pipeline.LightlyEpoch(made, preset_run("smoke", method).view).loader().dataset
    assert len(dataset) == 64
    pixels = torch.from_numpy(dataset.dataset.data).permute(0, 3, 1, 2)
    assert torch.equal(pixels, made.source.batch(torch.arange(64)).mul(255).round().byte())


def test_the_references_views_have_the_settings_of_ours():
    pixels = pipeline.Pictures(torch.full((1, 3, 32, 32), 255, dtype=torch.uint8))
    plain = Standard(size=20, scale=(1, 1), jitter_p=0, gray_p=0, blur_p=0)
    pixels.transform = pipeline.transform_of(plain, 2)
    views = pixels[0][0]
    assert [view.shape for view in views] == [(3, 20, 20)] * 2
    assert torch.equal(views[0], views[1])  # nothing is left that draws
    pixels.transform = pipeline.transform_of(plain, 1)
    assert pixels[0][0].shape == (3, 20, 20)


def test_ways_are_measured_against_the_plain_one(picture_file):
    settings = Settings(device="cpu", image=str(picture_file), seconds=0.01)
    plain, last = list(WAYS)[:2]
    lines = [line.record() for line in Ways("smoke", ("rotnet",), (plain, last), parts=8).lines(settings)]
    assert [(line["method"], line["way"], line["reference"]) for line in lines] == [("rotnet", last, plain)]
