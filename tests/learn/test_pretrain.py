"""Laws of the training loop: a resume changes nothing, a failure is told, and every epoch leaves its row."""

import csv
from collections import defaultdict

import numpy as np
import pytest
import torch

from augstudy.core import registry
from augstudy.core.errors import Diverged, UserError
from augstudy.learn.backbones.base import fingerprint
from augstudy.learn.checkpoint import load_checkpoint
from augstudy.learn.pretrain import as_csv
from augstudy.learn.sided import Generated

TRAINED = [n for n in registry.names("learn.methods") if registry.find("learn.methods", n).trains]
DROPOUT = {"deepcluster": ["method.hidden=[12]"]}  # draws from torch's global generator


class Killed(Exception):
    pass


def silent(done, total, note):
    pass


def same(a, b):
    """Whether two nested states are equal, bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def rows_of(folder):
    with folder.metrics.open() as f:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(f)]


@pytest.mark.parametrize("name", TRAINED)
def test_a_training_resumed_after_each_epoch_is_the_uninterrupted_one_bit_for_bit(name, training):
    overrides = ["method.epochs=3", *DROPOUT.get(name, [])]
    whole = training(name, *overrides, folder="whole")
    encoder, found = whole(silent)

    broken = training(name, *overrides, folder="broken")
    steps = 3  # 48 crops or images, 16 a step
    for epoch in (1, 2):

        def report(done, total, note, epoch=epoch):
            if done > epoch * steps:
                raise Killed

        with pytest.raises(Killed):
            broken(report)
        assert load_checkpoint(broken.folder.checkpoint)["epoch"] == epoch
    again, refound = broken(silent)

    assert fingerprint(again) == fingerprint(encoder)
    assert refound == found
    states = [load_checkpoint(t.folder.checkpoint) for t in (whole, broken)]
    for part in ("epoch", "modules", "optimizers", "found"):
        assert same(states[0][part], states[1][part]), part
    assert rows_of(whole.folder) == rows_of(broken.folder)


def test_a_finished_training_is_not_repeated(training):
    first = training("rotnet")
    encoder, found = first(silent)
    modified = first.folder.checkpoint.stat().st_mtime_ns

    def never(done, total, note):
        raise AssertionError("a step was taken")

    again, refound = training("rotnet")(never)
    assert fingerprint(again) == fingerprint(encoder)
    assert refound == found
    assert first.folder.checkpoint.stat().st_mtime_ns == modified


def test_metrics_have_one_row_an_epoch_with_loss_rate_and_diagnostics(training):
    pretraining = training("rotnet", "method.epochs=3", "method.lr=0.01", "method.schedule=constant")
    pretraining(silent)
    rows = rows_of(pretraining.folder)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert all(float(row["lr"]) == 0.01 for row in rows)
    assert {"loss", "rotation accuracy", "rotation accuracy (chance)"} <= rows[0].keys()


def test_a_column_that_begins_later_leaves_earlier_cells_empty():
    assert as_csv([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "nmi": 1}]) == (
        "epoch,loss,nmi\n1,0.5,\n2,0.25,1\n"
    )


def test_progress_counts_every_step_once_to_the_end(training):
    seen = []
    training("rotnet", "corpus.count=40")(lambda done, total, note: seen.append((done, total)))
    assert seen[-1] == (4, 4)  # 2 epochs of 2 whole batches of 16
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_learning_rate_of_each_step_follows_the_schedule(training, monkeypatch):
    pretraining = training("rotnet", "method.schedule=cosine", "method.lr=0.1", "method.epochs=2")
    lrs, usual = [], type(pretraining)._set_lr

    def noted(self, optimizers, progress):
        lrs.append(usual(self, optimizers, progress))
        return lrs[-1]

    monkeypatch.setattr(type(pretraining), "_set_lr", noted)
    pretraining(silent)
    assert lrs == pytest.approx([0.1 * pretraining.method.lr_share(step / 6) for step in range(6)])


def test_every_method_starts_from_the_same_encoder_of_a_seed(training):
    """Of one backbone: those that hide patches need a transformer, and learned views a map of colours before it."""
    prints = defaultdict(set)
    for pretraining in map(training, TRAINED):
        if not isinstance(pretraining.backbone, Generated):
            prints[repr(pretraining.backbone)].add(fingerprint(pretraining.make()[0].encoder))
    assert all(len(found) == 1 for found in prints.values())
    rotnet = training("rotnet", seed=1)
    assert prints[repr(rotnet.backbone)].isdisjoint({fingerprint(rotnet.make()[0].encoder)})


def test_global_randomness_is_left_alone(training):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    training("deepcluster", "method.epochs=1", *DROPOUT["deepcluster"])(silent)
    assert torch.equal(torch.get_rng_state(), state)


def test_crops_that_judge_the_task_are_never_trained_on(training):
    for name in ("rotnet", "supervised"):
        source = training(name).source
        held_out = source.held_out(512)
        assert len(held_out)
        assert held_out.min() >= len(source)


@pytest.mark.parametrize("name", TRAINED)
def test_a_training_ends_with_finite_weights_or_says_that_it_diverged(name, training):
    pretraining = training(name, "method.lr=1e30", "method.schedule=constant")
    try:
        encoder, found = pretraining(silent)
    except Diverged:
        pass
    else:
        assert all(value.isfinite().all() for value in encoder.state_dict().values())
        assert all(abs(d.value) < float("inf") for d in found)


def test_a_loss_that_is_not_a_number_is_told_with_its_place(training, monkeypatch):
    pretraining = training("rotnet")
    modules = type(pretraining.make()[0])
    monkeypatch.setattr(modules, "loss", lambda self, batch: self.head.weight.sum() * float("nan"))
    with pytest.raises(Diverged, match="the loss became nan in epoch 1, step 1"):
        pretraining(silent)
    assert not pretraining.folder.checkpoint.exists()


def test_weights_that_became_infinite_in_the_last_step_are_not_kept(training, monkeypatch):
    """The loss is taken before the step, so it cannot tell what the last step of an epoch did."""
    pretraining = training("rotnet", "method.epochs=1")
    modules = type(pretraining.make()[0])
    monkeypatch.setattr(modules, "after_step", lambda self: self.head.bias.data.fill_(float("inf")))
    monkeypatch.setattr(modules, "loss", lambda self, batch: self.head.weight.sum())
    with pytest.raises(Diverged, match="infinite in epoch 1"):
        pretraining(silent)
    assert not pretraining.folder.checkpoint.exists()


def test_a_damaged_checkpoint_stops_the_run_with_two_lines(training):
    pretraining = training("rotnet")
    pretraining(silent)
    pretraining.folder.checkpoint.write_bytes(b"half of a checkpoint")
    with pytest.raises(UserError) as caught:
        pretraining(silent)
    assert len(str(caught.value).splitlines()) == 2
    assert str(pretraining.folder.checkpoint) in caught.value.what


def test_fewer_crops_than_a_batch_make_one_smaller_batch(training):
    seen = []
    training("rotnet", "corpus.count=5", "method.epochs=1")(lambda done, total, note: seen.append((done, total)))
    assert seen == [(1, 1)]


def test_pictures_are_kept_after_a_training_and_made_again_after_a_kill(training):
    pretraining = training("bigan")
    pretraining(silent)
    files = [pretraining.folder.picture(name) for name in ("samples", "reconstructions")]
    arrays = [np.load(path) for path in files]
    assert [a.shape for a in arrays] == [(32, 16, 16, 3), (64, 16, 16, 3)]
    assert {a.dtype for a in arrays} == {np.dtype("uint8")}
    for path in files:
        path.unlink()
    training("bigan")(silent)
    assert all(np.array_equal(np.load(path), a) for path, a in zip(files, arrays, strict=True))


def test_a_method_without_pictures_leaves_none(training):
    pretraining = training("rotnet", "method.epochs=1")
    pretraining(silent)
    assert not pretraining.folder.pictures.exists()
