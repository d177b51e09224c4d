"""The training loop: one page, for every method."""

import csv
import io
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.loggers import TensorBoardLogger
from torch import Tensor

from augstudy.augment.graph import Graph
from augstudy.core import rng
from augstudy.core.errors import Diverged, UserError
from augstudy.core.store import RunFolder, save_array, write_text
from augstudy.data.blank import blank
from augstudy.data.corpus import Source
from augstudy.learn.backbones.base import Backbone, Encoder, signed
from augstudy.learn.checkpoint import first_line, load_checkpoint, save_checkpoint
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules

__all__ = ["Pretraining", "Report"]

HELD_OUT = 512  # crops on which the pretext task is judged after each epoch
SHOWN = 32  # crops that a method may show pictures of

Report = Callable[[int, int, str], None]  # steps done, steps in all, a word on how it goes


@dataclass(frozen=True)
class Pretraining:
    """One encoder's training, resumable after every epoch.

    Args:
        method, backbone: what is trained.
        source: what it sees.
        graph: how a view is made from a crop.
        size: side of a view in pixels.
        seed: keys weights, order and views.
        folder: where checkpoint, metrics.csv and TensorBoard events go.
        fabric: device and precision.
        classes: labels of the source, 0 without.
    """

    method: Method
    backbone: Backbone
    source: Source
    graph: Graph
    size: int
    seed: int
    folder: RunFolder
    fabric: Fabric
    classes: int = 0

    def __call__(self, report: Report) -> tuple[Encoder, list[Diagnostic]]:
        """Train to the end, from the last finished epoch on.

        Returns:
            the encoder in eval mode, and the last epoch's diagnostics.

        Raises:
            Diverged: a loss or a weight is not finite.
            UserError: the checkpoint is damaged.
        """
        modules, optimizers = self._make()
        state = load_checkpoint(self.folder.checkpoint) or {"epoch": 0, "history": [], "found": []}
        self._restore(state, modules, optimizers)
        logger = TensorBoardLogger(root_dir=self.folder.tensorboard, name="", version="")
        for epoch in range(state["epoch"], self.method.epochs):
            row = self._epoch(epoch, modules, optimizers, report)
            if not all(value.isfinite().all() for value in modules.state_dict().values()):
                raise Diverged(f"a weight became infinite in epoch {epoch + 1}")
            found = self._judge(modules)
            row |= {
                key: value for d in found for key, value in ((d.metric, d.value), (f"{d.metric} (chance)", d.chance))
            }
            state = {
                "epoch": epoch + 1,
                "history": [*state["history"], row],
                "found": [vars(d) for d in found],
                "modules": modules.state_dict(),
                "optimizers": {name: o.state_dict() for name, o in optimizers.items()},
            }
            save_checkpoint(self.folder.checkpoint, state)
            write_text(self.folder.metrics, as_csv(state["history"]))
            logger.log_metrics({k: v for k, v in row.items() if k != "epoch"}, step=epoch + 1)
        logger.finalize("success")
        if state["history"]:  # again, for a run that was killed between its last checkpoint and this file
            write_text(self.folder.metrics, as_csv(state["history"]))
            self._save_pictures(modules.eval())
        return modules.encoder.eval(), [Diagnostic(**d) for d in state["found"]]

    def rehearsal(self) -> Callable[[int], None]:
        """A function that makes one training step on so many crops, for who times it; nothing is written or kept."""
        modules, optimizers = self._make()
        modules.train()
        modules.rehearse()

        def step(size: int) -> None:
            self._step(self._batch(torch.arange(size), epoch=0), modules, optimizers)

        return step

    def _restore(self, state: dict[str, Any], modules: Modules, optimizers: dict[str, torch.optim.Optimizer]) -> None:
        """Put a checkpoint's state into networks and optimisers.

        Raises:
            UserError: it is the state of other networks, or no state at all.
        """
        try:
            if state["epoch"]:
                modules.load_state_dict(state["modules"])
                for name, optimizer in optimizers.items():
                    optimizer.load_state_dict(state["optimizers"][name])
        except (RuntimeError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"the checkpoint {self.folder.checkpoint} does not fit this run ({first_line(error)})",
                "Delete this file and run again: this one run starts anew, finished ones are kept.",
            ) from None

    def _make(self) -> tuple[Modules, dict[str, torch.optim.Optimizer]]:
        """Networks whose first weights depend on the seed alone: every method starts from the same encoder."""
        with rng.torch_seeded(self.seed, "weights/encoder"):
            encoder = self.backbone.encoder()
        context = Context(self.seed, self.size, len(self.source), self.classes)
        with rng.torch_seeded(self.seed, "weights/heads"):
            modules = self.method.modules(encoder, context)
        modules.to(self.fabric.device).to(memory_format=torch.channels_last)
        return modules, self.method.optimizers(modules)

    def _epoch(
        self, epoch: int, modules: Modules, optimizers: dict[str, torch.optim.Optimizer], report: Report
    ) -> dict[str, Any]:
        """One pass over the source; global randomness (dropout) is keyed by the epoch, so a resume repeats it."""
        start, total, lr = time.perf_counter(), torch.zeros((), device=self.fabric.device), 0.0
        with rng.torch_seeded(self.seed, f"train/{epoch}"):
            modules.train()
            order = modules.before_epoch(epoch, self.source)
            if order is None:
                order = rng.permutation(self.seed, "train/order", len(self.source), epoch)
            size = min(self.method.batch_size, len(order))
            steps = len(order) // size
            for i, index in enumerate(order[: steps * size].split(size)):
                step = epoch * steps + i
                lr = self._set_lr(optimizers, step / (steps * self.method.epochs))
                loss = self._step(self._batch(index, epoch, step), modules, optimizers)
                total += loss
                if i % 10 == 0 or i == steps - 1:
                    value = loss.item()
                    if value != value or abs(value) == float("inf"):
                        raise Diverged(f"the loss became {value} in epoch {epoch + 1}, step {i + 1}")
                    report(step + 1, steps * self.method.epochs, f"loss {value:.3f}")
        seconds = time.perf_counter() - start
        return {"epoch": epoch + 1, "loss": total.item() / steps, "lr": lr, "seconds": round(seconds, 3)}

    def _set_lr(self, optimizers: dict[str, torch.optim.Optimizer], progress: float) -> float:
        lr = self.method.lr * self.method.lr_share(progress)
        for name, optimizer in optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = lr * self.method.pace(name)
        return lr

    def _batch(self, index: Tensor, epoch: int, step: int = 0) -> Batch:
        return Batch(self._views(self.source, index, epoch), index, self.source.labels(index), step)

    def _views(self, source: Source, index: Tensor, epoch: int) -> list[Tensor]:
        return [
            signed(source.view(index, self.graph, epoch, v)).contiguous(memory_format=torch.channels_last)
            for v in range(self.method.views)
        ]

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
            total = torch.stack([loss.detach() for loss in losses.values()]).sum()
        for optimizer in optimizers.values():
            optimizer.step()
        modules.after_step()
        return total

    @torch.no_grad()
    def _judge(self, modules: Modules) -> list[Diagnostic]:
        """The method's diagnostics on crops that are never trained on."""
        index = self.source.held_out(HELD_OUT)
        batch = self._batch(index, epoch=0)
        if self.method.needs_blank:
            batch = replace(batch, blank=self._views(blank(self.source), index, epoch=0))
        return modules.eval().diagnostics(batch)

    @torch.no_grad()
    def _save_pictures(self, modules: Modules) -> None:
        """What the method can show of itself, as uint8 (n, h, w, 3) for figures that must not load torch."""
        for name, pixels in modules.pictures(self._batch(self.source.held_out(SHOWN), epoch=0)).items():
            shown = ((pixels + 1) * 127.5).round().clamp(0, 255).byte()
            save_array(self.folder.picture(name), shown.permute(0, 2, 3, 1).cpu().numpy())


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Rows whose keys may differ (a first epoch has nothing to compare with) as one CSV text."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
