"""Two processes with half a batch each are one with the whole: batch norm of the keys leaks nothing (CPU, gloo)."""

import subprocess
import sys

import pytest
import torch

from augstudy.learn.world import gathered, place

WORKER = """
import sys
import torch
from augstudy.core import rng
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.methods.base import Batch, Context
from augstudy.learn.methods.moco import MoCo

rank, count, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if count > 1:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=count)
with rng.torch_seeded(0, "weights"):
    method = MoCo(dim=8, queue=40, bn_splits=2 // count, batch_size=16, symmetric=True, ema=0.5, head_norm=True)
    modules = method.modules(Conv4(width=0.125).encoder(), Context(0, 16, 48)).train()
views = torch.rand(2, 16, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
half = 16 // count
mine = slice(rank * half, (rank + 1) * half)
losses = []
for step in range(3):
    loss = modules.loss(Batch([view[mine] for view in views], torch.arange(16)[mine], step=step))
    losses.append(loss.item())
    fresh = modules.fresh
    modules.after_step()
unshuffled = modules.key(views[1][mine])
torch.save([losses, fresh, modules.queue.keys, modules.queue.place, unshuffled], f"{folder}/{count}-{rank}.pt")
"""


def test_a_process_alone_hears_itself():
    x = torch.arange(3)
    assert gathered(x) is x
    assert place() == (0, 1)


@pytest.mark.slow
def test_mocos_keys_are_shuffled_across_processes(tmp_path):
    ways = [(0, 1), (0, 2), (1, 2)]
    runs = [
        subprocess.Popen([sys.executable, "-W", "error::UserWarning:augstudy", "-c", WORKER, *map(str, way), tmp_path])
        for way in ways
    ]
    assert [run.wait(timeout=200) for run in runs] == [0, 0, 0]
    alone, first, second = (torch.load(tmp_path / f"{count}-{rank}.pt") for rank, count in ways)
    for one, a, b in zip(alone[0], first[0], second[0], strict=True):
        assert one == pytest.approx((a + b) / 2, rel=1e-4)
    for of_one, *of_two in list(zip(alone, first, second, strict=True))[1:4]:  # keys, queue and its place
        for found in of_two:
            torch.testing.assert_close(found, of_one, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(first[1][:8], first[4], atol=1e-3)  # made beside strangers, not beside each other
