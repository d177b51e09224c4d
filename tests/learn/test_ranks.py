"""Two processes with half a batch each are one with the whole, for every method (CPU, gloo)."""

import pickle
import subprocess
import sys

import pytest
import torch

from augstudy.core import registry, rng
from augstudy.core.errors import Diverged, UserError
from augstudy.learn.backbones.base import fingerprint
from augstudy.learn.checkpoint import load_checkpoint
from augstudy.learn.methods.moco import MoCo
from augstudy.learn.methods.rotnet import RotNet
from augstudy.learn.ranks import listen, require_devices, train_together

TRAINED = [n for n in registry.names("learn.methods") if registry.find("learn.methods", n).trains]
COUNT = 48  # crops or images


WORKER = """
import pickle, sys
from dataclasses import replace
import torch
from augstudy.core import rng
from augstudy.learn.world import alone

uniform = rng.uniform

def apart(a, b):
    return float((a.double() - b.double()).abs().max()) if a.numel() else 0.0

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
with open(f"{folder}/trainings.pkl", "rb") as file:
    trainings = pickle.load(file)
found = {}
for name, training in trainings.items():
    with alone():
        whole, optimizers = training.make()
        order = whole.train().before_epoch(0, training.source)
    ours, theirs = training.make()
    again = ours.train().before_epoch(0, training.source)
    state = ours.state_dict()
    clusters = all(torch.equal(value, state[key]) for key, value in whole.state_dict().items() if "labels" in key)
    ours.load_state_dict(whole.state_dict())
    ours.double(), whole.double()
    index = torch.arange(16) if order is None else order[:16]
    half = slice(8 * rank, 8 * rank + 8)
    worst = []
    for step in range(2):
        batch = training.batch(index, 0, step)
        batch = replace(batch, views=[view.double() for view in batch.views])
        part = replace(
            batch,
            views=[view[half] for view in batch.views],
            index=batch.index[half],
            labels=None if batch.labels is None else batch.labels[half],
        )
        rng.uniform = lambda *key: uniform(*key).double()  # what a method draws is as precise as its weights
        with alone(), torch.random.fork_rng():
            torch.manual_seed(step)
            loss = training._step(batch, whole, optimizers)
        with torch.random.fork_rng():
            torch.manual_seed(step)
            shared = training._step(part, ours, theirs)
        rng.uniform = uniform
        pairs = [(a.grad, b.grad) for a, b in zip(whole.parameters(), ours.parameters()) if a.grad is not None]
        states = list(zip(whole.state_dict().values(), ours.state_dict().values()))
        worst.append([max(apart(a, b) for a, b in some) for some in (pairs, states, [(loss, shared)])])
    found[name] = (clusters, worst)
torch.save(found, f"{folder}/found-{rank}.pt")
torch.distributed.destroy_process_group()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("two")


@pytest.mark.slow
def test_gradients_states_and_losses_of_two_are_those_of_one_with_the_doubled_batch(training, folder):
    trainings = {name: training(name) for name in TRAINED}
    (folder / "trainings.pkl").write_bytes(pickle.dumps(trainings))
    ways = [[sys.executable, "-c", WORKER, str(rank), folder] for rank in (0, 1)]
    runs = [subprocess.Popen(way, stderr=subprocess.PIPE, text=True) for way in ways]
    errors = [run.communicate(timeout=200)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], errors
    for rank in (0, 1):
        for name, (clusters, worst) in torch.load(folder / f"found-{rank}.pt").items():
            assert clusters, f"{name}: other clusters"
            for step, far in enumerate(worst):
                assert max(far) < 1e-6, f"{name}, step {step}: gradients, states, loss are off by {far}"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_each_crop_of_an_epoch_is_seen_by_one_process(training, monkeypatch, count):
    seen, sizes = [], []
    for rank in range(count):
        monkeypatch.setattr("augstudy.learn.loop.place", lambda rank=rank: (rank, count))
        monkeypatch.setattr("augstudy.learn.loop.agreed", lambda modules, order: order)
        monkeypatch.setattr("augstudy.learn.loop.averaged", lambda parameters, loss: loss)
        pretraining = training("rotnet", "method.batch_size=12")
        modules, optimizers = pretraining.make()
        usual = type(pretraining).batches

        def noted(self, order, size, *rest, usual=usual):
            seen.append(order)
            sizes.append(size)
            return usual(self, order, size, *rest)

        monkeypatch.setattr(type(pretraining), "batches", noted)
        pretraining.epoch(0, modules, optimizers, lambda *step: None)
        monkeypatch.setattr(type(pretraining), "batches", usual)
    assert sizes == [12 // count] * count
    assert sorted(torch.cat(seen).tolist()) == list(range(COUNT))
    together = torch.stack([order.view(COUNT // 12, -1) for order in seen], 1).flatten()
    assert torch.equal(together, rng.permutation(0, "train/order", COUNT))  # each step has the crops of one device's


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rotnet", "simclr"])
def test_a_training_of_two_processes_leaves_what_one_leaves(training, name):
    one, two = (training(name, "method.epochs=2", folder=folder) for folder in ("one", "two"))
    encoder, found = one(lambda *step: None)
    steps = []
    train_together(two, 2, lambda *step: steps.append(step[:2]))
    assert steps[-1] == (6, 6)
    assert load_checkpoint(two.folder.checkpoint)["epoch"] == 2
    before = two.folder.checkpoint.stat().st_mtime_ns
    again, refound = two(lambda *step: pytest.fail("a step was taken"))
    assert two.folder.checkpoint.stat().st_mtime_ns == before
    assert [d.metric for d in refound] == [d.metric for d in found]
    for a, b in zip(encoder.state_dict().values(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)  # single precision, six steps apart
    assert fingerprint(encoder) != fingerprint(training(name, "method.epochs=2").make()[0].encoder.eval())


def test_a_batch_that_cannot_be_shared_out_is_an_error():
    with pytest.raises(UserError, match="a batch of 10 cannot be shared out among 3 devices"):
        RotNet(batch_size=10).norm_spans(3)
    with pytest.raises(UserError, match="8 parts of bn_splits cannot be shared out among 3 devices"):
        MoCo(batch_size=48).norm_spans(3)


def test_mocos_devices_norm_their_own_parts_and_all_others_norm_together():
    assert not MoCo().norm_spans(8)
    assert MoCo(bn_splits=1).norm_spans(2)
    assert all(registry.find("learn.methods", name)().norm_spans(2) for name in TRAINED if name != "moco")


def test_no_device_at_all_is_an_error():
    with pytest.raises(UserError, match="devices is 0"):
        require_devices(0, "cpu")
    require_devices(64, "cpu")


def test_what_the_first_process_tells_is_told_on():
    messages, steps, errors = [("step", (1, 2, "")), ("diverged", ("the loss became nan",)), None], [], []

    class Queue:
        def get(self):
            return messages.pop(0)

    listen(Queue(), lambda *step: steps.append(step), errors)
    assert steps == [(1, 2, "")]
    assert isinstance(errors[0], Diverged)
