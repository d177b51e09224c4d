"""The training loop: one page, for every method."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from augstudy.augment.graph import Graph
from augstudy.core import rng
from augstudy.core.errors import Diverged
from augstudy.core.transfer import sent
from augstudy.data.blank import blank
from augstudy.data.corpus import Source
from augstudy.learn.backbones.base import Backbone, Encoder, signed
from augstudy.learn.classifier import Classifier
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.norm import synced
from augstudy.learn.world import agreed, alone, averaged, place

__all__ = ["Compute", "Loop", "Report"]

HELD_OUT = 512  # crops on which the pretext task is judged after each epoch
AHEAD_CPU, AHEAD = 1 << 19, 1 << 24  # pixels of a view that are made in one call

Report = Callable[[int, int, str], None]  # steps done, steps in all, a word on how it goes


@dataclass(frozen=True)
class Compute:
    """How the same training is computed. Both move its last bits at most, so neither is part of a run's hash.

    Args:
        channels_last: pixels of networks and views lie with their channels side by side.
        compile: encoders run through torch.compile, which takes a minute to begin with.

    The defaults are what was fastest on two cores; `augstudy bench compute` measures other devices.
    """

    channels_last: bool = True
    compile: bool = False

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format


@dataclass(frozen=True)
class Loop:
    """How one encoder is trained, an epoch at a time.

    Args:
        method, backbone: what is trained.
        source: what it sees.
        graph: how a view is made from a crop.
        size: side of a view in pixels.
        seed: keys weights, order and views.
        fabric: device and precision.
        classes: labels of the source, 0 without.
        compute: memory format and compiler.
        graphs: how each view is made, where not all are made by `graph`, or there are more than `method.views`.
        teacher: loads the classifier that a method with `needs_teacher` learns from.
    """

    method: Method
    backbone: Backbone
    source: Source
    graph: Graph
    size: int
    seed: int
    fabric: Fabric
    classes: int = 0
    compute: Compute = field(default_factory=Compute)
    graphs: tuple[Graph, ...] = ()
    teacher: Callable[[], Classifier] | None = None

    def context(self) -> Context:
        """What the method is told; its teacher, if it has one, is loaded for it."""
        if self.teacher is None:
            return Context(self.seed, self.size, len(self.source), self.classes)
        teacher = self.teacher().to(self.fabric.device).to(memory_format=self.compute.memory_format).eval()
        return Context(self.seed, self.size, len(self.source), teacher.classes, teacher)

    def make(self) -> tuple[Modules, dict[str, torch.optim.Optimizer]]:
        """Networks whose first weights depend on the seed alone: every method starts from the same encoder."""
        with rng.torch_seeded(self.seed, "weights/encoder"):
            encoder = self.backbone.encoder()
        context = self.context()
        with rng.torch_seeded(self.seed, "weights/heads"):
            modules = self.method.modules(encoder, context)
        modules.to(self.fabric.device).to(memory_format=self.compute.memory_format)
        if place()[1] > 1 and self.method.norm_spans(place()[1]):
            synced(modules)
        if self.compute.compile:
            for encoder in (m for m in modules.modules() if isinstance(m, Encoder)):
                encoder.compile()  # in place: names of weights stay as they are
        return modules, self.method.optimizers(modules)

    def epoch(
        self, epoch: int, modules: Modules, optimizers: dict[str, torch.optim.Optimizer], report: Report
    ) -> dict[str, Any]:
        """One pass over the source; global randomness (dropout) is keyed by the epoch, so a resume repeats it."""
        start, total, lr = time.perf_counter(), torch.zeros((), device=self.fabric.device), 0.0
        rank, count = place()
        with rng.torch_seeded(self.seed, f"train/{epoch}/{rank}" if rank else f"train/{epoch}"):
            modules.train()
            order = modules.before_epoch(epoch, self.source)
            for name in modules.renewed(epoch):
                optimizers[name].state.clear()
            if order is None:
                order = rng.permutation(self.seed, "train/order", len(self.source), epoch)
            order = agreed(modules, order)
            size = min(self.method.batch_size, len(order)) // count * count
            steps = len(order) // size
            mine = order[: steps * size].view(steps, count, -1)[:, rank].flatten()  # each batch is shared out
            for i, batch in enumerate(self.batches(mine, size // count, epoch, epoch * steps)):
                lr = self._set_lr(optimizers, batch.step / (steps * self.method.epochs))
                loss = self._step(batch, modules, optimizers)
                total += loss
                if i % 10 == 0 or i == steps - 1:  # seldom, for a GPU is waited for
                    value = loss.item()
                    if value != value or abs(value) == float("inf"):
                        raise Diverged(f"the loss became {value} in epoch {epoch + 1}, step {i + 1}")
                    report(batch.step + 1, steps * self.method.epochs, f"loss {value:.3f}")
        seconds = time.perf_counter() - start
        return {"epoch": epoch + 1, "loss": total.item() / steps, "lr": lr, "seconds": round(seconds, 3)}

    def _set_lr(self, optimizers: dict[str, torch.optim.Optimizer], progress: float) -> float:
        lr = self.method.lr * self.method.lr_share(progress)
        for name, optimizer in optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = lr * self.method.pace(name)
            self.method.tune(optimizer, progress)
        return lr

    def batches(self, order: Tensor, size: int, epoch: int, first: int = 0) -> Iterator[Batch]:
        """Batches of `size` crops in this order, their steps numbered from `first` on.

        Views of several batches are made in one call, which costs half as much; a view does not depend on its batch.
        """
        pixels = AHEAD_CPU if self.fabric.device.type == "cpu" else AHEAD
        steps = max(1, pixels // (size * self.size**2))
        for block in order.split(steps * size):
            whole = self.batch(block, epoch)
            for start in range(0, len(block), size):
                part = slice(start, start + size)
                labels = None if whole.labels is None else whole.labels[part]
                yield Batch([view[part] for view in whole.views], whole.index[part], labels, first)
                first += 1

    def batch(self, index: Tensor, epoch: int, step: int = 0) -> Batch:
        """The views of these crops in this epoch."""
        return self._batch(index, epoch, step, self._made)

    def judging(self, index: Tensor) -> Batch:
        """The views on which the method is judged: two at least of one that contrasts, though a step may need one."""
        lacking = 2 - len(self._made) if self.method.contrasts else 0
        return self._batch(index, 0, 0, self._made + (self.graph,) * lacking)

    @property
    def _made(self) -> tuple[Graph, ...]:
        return self.graphs or (self.graph,) * self.method.views

    def _batch(self, index: Tensor, epoch: int, step: int, graphs: tuple[Graph, ...]) -> Batch:
        there = sent(index, self.fabric.device)
        return Batch(self._views(self.source, index, epoch, graphs), there, self.source.labels(index), step)

    def _views(self, source: Source, index: Tensor, epoch: int, graphs: tuple[Graph, ...]) -> list[Tensor]:
        return [
            signed(source.view(index, graph, epoch, v)).contiguous(memory_format=self.compute.memory_format)
            for v, graph in enumerate(graphs)
        ]

    def rehearsal(self) -> Callable[[int], None]:
        """A function that makes one training step on so many crops, for who times it; nothing is written or kept."""
        modules, optimizers = self.make()
        modules.train()
        modules.rehearse()

        def step(size: int) -> None:
            self._step(self.batch(torch.arange(size), epoch=0), modules, optimizers)

        return step

    def _step(self, batch: Batch, modules: Modules, optimizers: dict[str, torch.optim.Optimizer]) -> Tensor:
        """One update of every optimiser; each loss of several reaches only the parameters of its own group."""
        for optimizer in optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        with self.fabric.autocast():
            losses = modules.loss(batch)
        if isinstance(losses, Tensor):
            self.fabric.backward(losses)
            total = losses.detach()
        else:
            groups = modules.groups()
            for name, loss in losses.items():
                self.fabric.backward(loss, inputs=groups[name], retain_graph=True)
            total = modules.total({name: loss.detach() for name, loss in losses.items()})
        total = averaged(modules, total)
        modules.before_step()
        for optimizer in optimizers.values():
            optimizer.step()
        modules.after_step()
        return total

    @torch.no_grad()
    def _judge(self, modules: Modules) -> list[Diagnostic]:
        """The method's diagnostics on crops that are never trained on."""
        index = self.source.held_out(HELD_OUT)
        batch = self.judging(index)
        if self.method.needs_blank:
            batch = replace(batch, blank=self._views(self._blank, index, 0, self._made))
        with alone():  # all processes judge alike
            return modules.eval().diagnostics(batch)

    @cached_property
    def _blank(self) -> Source:
        """The source without anything to see, made once for all epochs."""
        return blank(self.source)
