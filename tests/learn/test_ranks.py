"""Two processes with half a batch each are one with the whole, for every method (CPU, gloo)."""

import pickle
import subprocess
import sys
from dataclasses import replace
from multiprocessing import Pipe
from types import SimpleNamespace

import pytest
import torch
from lightning_fabric import Fabric

from augstudy.core import registry, rng
from augstudy.core.errors import Diverged, UserError
from augstudy.learn import ranks
from augstudy.learn.backbones.base import fingerprint
from augstudy.learn.checkpoint import load_checkpoint
from augstudy.learn.methods.moco import MoCo
from augstudy.learn.methods.pcl import PCL
from augstudy.learn.methods.rotnet import RotNet
from augstudy.learn.pretrain import Pretraining
from augstudy.learn.ranks import listen, require_devices, together, train_together

TRAINED = [n for n in registry.names("learn.methods") if registry.find("learn.methods", n).trains]
COUNT = 48  # crops or images
SPLIT = ("moco", "pcl")  # what norms parts of a batch apart, as published


# What is tried of each method besides its smallest training. Dropout, which each process draws for itself, is off.
CASES = {name: (name, {}) for name in TRAINED}
CASES |= {name: (name, {"dropout": 0.0}) for name in ("exemplar", "jigsaw")}
CASES |= {
    "context_encoder, blocks": ("context_encoder", {"hole": "blocks"}),
    "deepcluster, hidden": ("deepcluster", {"hidden": (16,), "dropout": 0.0}),
    "dino, Sinkhorn": ("dino", {"operation": "sinkhorn", "head_norm": True}),
    "distillation, mixup": ("distillation", {"cutmix": 0.0, "mixup": 1.0}),
    "learned_views, labels": ("learned_views", {"labels": 0.5}),
    "moco, one part": ("moco", {"bn_splits": 1, "head_norm": True, "symmetric": True}),
    "npid, exact": ("npid", {"negatives": 0, "proximal": 1.0}),
    "sela, hidden": ("sela", {"hidden": (16,), "dropout": 0.0}),
    "swav, frozen": ("swav", {"frozen": 1}),
    "swav, full queue": ("swav", {"queue": 8}),
}
# With small views besides.
SMALL_VIEWS = ("view.name=multicrop", "view.crops=2x16+2x10")
CASES |= {
    "byol, small views": ("byol", {}),
    "moco, small views": ("moco", {"bn_splits": 1, "symmetric": True}),
    "nnclr, small views": ("nnclr", {}),
    "pcl, small views": ("pcl", {"bn_splits": 1}),
}

WORKER = """
import pickle, sys
from dataclasses import replace
import torch
from augstudy.core import rng
from augstudy.learn.world import alone

uniform, single = rng.uniform, torch.Tensor.float

def apart(some, others):
    pairs = [(a, b) for a, b in zip(some, others, strict=True) if a is not None and b is not None and a.numel()]
    assert len(pairs) and all((a is None) == (b is None) for a, b in zip(some, others))
    return max(float((a.double() - b.double()).abs().max()) for a, b in pairs)

def step_of(training, batch, number, modules, optimizers):
    # What a method draws, and what it makes single for the sake of half, is as precise as its weights.
    rng.uniform = lambda *key, **more: uniform(*key, **more).double()
    torch.Tensor.float = torch.Tensor.double
    with torch.random.fork_rng():
        torch.manual_seed(number)
        loss = training._step(batch, modules, optimizers)
    rng.uniform, torch.Tensor.float = uniform, single
    return loss

def precise(modules):
    for module in (modules, *getattr(modules, "lent", ())):
        module.double()

def gradients(modules):
    return [p.grad for p in modules.parameters()]

def states(modules):
    return list(modules.state_dict().values())

def of_the_first(values):
    found = [value.detach().clone().contiguous() for value in values]
    for value in found:
        torch.distributed.broadcast(value, 0)
    return found

def compared(training):
    ours, theirs = training.make()
    order = ours.train().before_epoch(0, training.source)
    found = {}
    if rank == 0:  # the training of one device, whose clusters and steps the two must have
        with alone():
            whole, optimizers = training.make()
            whole.train().before_epoch(0, training.source)
        named = dict(whole.state_dict())
        found["clusters"] = all(torch.equal(named[k], v) for k, v in ours.state_dict().items() if "labels" in k)
    for value, first in zip(states(ours), of_the_first(states(ours))):
        value.copy_(first)
    if rank == 0:
        whole.load_state_dict(ours.state_dict())
        precise(whole)
    precise(ours)
    index = torch.arange(16) if order is None else order[:16]
    half = slice(8 * rank, 8 * rank + 8)
    for number in range(2):
        batch = training.batch(index, 0, number)
        batch = replace(batch, views=[view.double() for view in batch.views])
        labels = None if batch.labels is None else batch.labels[half]
        part = replace(batch, views=[view[half] for view in batch.views], index=batch.index[half], labels=labels)
        shared = step_of(training, part, number, ours, theirs)
        found[number, "processes"] = apart(states(ours), of_the_first(states(ours)))
        if rank == 0:
            with alone():
                loss = step_of(training, batch, number, whole, optimizers)
            found[number, "gradients"] = apart(gradients(whole), gradients(ours))
            found[number, "states"] = apart(states(whole), states(ours))
            found[number, "losses"] = apart([loss], [shared])
    return found

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
with open(f"{folder}/trainings.pkl", "rb") as file:
    found = {name: compared(training) for name, training in pickle.load(file).items()}
torch.save(found, f"{folder}/found-{rank}.pt")
torch.distributed.destroy_process_group()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("two")


@pytest.mark.slow
def test_gradients_states_and_losses_of_two_are_those_of_one_with_the_doubled_batch(training, folder):
    """All methods in one pair of processes, for it is their starts that take long."""
    smallest = {name: training(name) for name in TRAINED}
    full = smallest["supervised"]
    trainings = {}
    for case, (name, settings) in CASES.items():
        one = training(name, *SMALL_VIEWS, folder=case) if case.endswith("small views") else smallest[name]
        labelled = {"source": full.source, "classes": full.classes} if "labels" in settings else {}
        trainings[case] = replace(one, method=replace(one.method, **settings), **labelled)
    (folder / "trainings.pkl").write_bytes(pickle.dumps(trainings))
    ways = [[sys.executable, "-c", WORKER, str(rank), folder] for rank in (0, 1)]
    runs = [subprocess.Popen(way, stderr=subprocess.PIPE, text=True) for way in ways]
    try:
        errors = [run.communicate(timeout=1200)[1] for run in runs]  # a minute of CPU each; machines are busy
    finally:
        for run in runs:
            run.kill()  # one that waits for the other would not end
    assert [run.returncode for run in runs] == [0, 0], errors
    first, second = (torch.load(folder / f"found-{rank}.pt") for rank in (0, 1))
    assert first.keys() == second.keys() == CASES.keys()
    for name, far in second.items():
        assert not any(far.values()), f"{name}: the two processes differ by {far}"
    others = [name for name, far in first.items() if not far.pop("clusters")]
    assert not others, f"other clusters than one device's: {others}"
    off = {name: far for name, far in first.items() if max(far.values()) > 1e-6}
    assert not off, "\n".join(f"{name} is off by {far}" for name, far in off.items())


@pytest.mark.parametrize("count", [1, 2, 3])
def test_each_crop_of_an_epoch_is_seen_by_one_process(training, monkeypatch, count):
    seen, sizes = [], []
    for rank in range(count):
        monkeypatch.setattr("augstudy.learn.loop.place", lambda rank=rank: (rank, count))
        monkeypatch.setattr("augstudy.learn.loop.agreed", lambda modules, order: order)
        monkeypatch.setattr("augstudy.learn.loop.averaged", lambda modules, loss: loss)
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
    assert not PCL().norm_spans(8)
    assert all(registry.find("learn.methods", name)().norm_spans(2) for name in TRAINED if name not in SPLIT)


def test_no_device_at_all_is_an_error():
    with pytest.raises(UserError, match="devices is 0"):
        require_devices(0, "cpu")
    require_devices(64, "cpu")


def test_what_the_first_process_tells_is_told_on():
    (heard, told), steps, errors = Pipe(duplex=False), [], []
    told.send(("step", (1, 2, "")))
    told.send(("diverged", ("the loss became nan",)))
    told.close()
    listen(heard, lambda *step: steps.append(step), errors)
    assert steps == [(1, 2, "")]
    assert isinstance(errors[0], Diverged)


def test_slurms_count_of_tasks_is_not_that_of_processes(monkeypatch):
    for key, value in {"SLURM_NTASKS": "1", "SLURM_JOB_NAME": "runs", "SLURM_JOB_ID": "7"}.items():
        monkeypatch.setenv(key, value)
    assert together(Fabric(accelerator="cpu", devices=1), 2).world_size == 2


def test_what_another_process_alone_comes_upon_is_told_too(training, monkeypatch):
    """Such as a file that broke after the preflight, which falls to one of them."""

    def broken(self, report):
        report(1, 2, "")
        raise UserError("photo.jpg is truncated", "Mend it.")

    monkeypatch.setattr(Pretraining, "trained", broken)
    monkeypatch.setattr(ranks.distributed, "destroy_process_group", lambda: None)
    said = []
    told = SimpleNamespace(send=said.append)
    fabric = SimpleNamespace(global_rank=1, device=torch.device("cpu"))
    ranks.rank(fabric, pickle.dumps(training("rotnet")), torch.get_num_threads(), told)
    assert said == [
        ("error", ("photo.jpg is truncated", "Mend it."))
    ]  # and no step, for it is the first that tells them
