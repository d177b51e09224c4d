"""One encoder's training from its first weights to its last, with what it leaves on the way."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from augstudy.core.errors import Diverged, UserError
from augstudy.core.store import RunFolder, save_array, write_text
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.checkpoint import first_line, load_checkpoint, save_checkpoint
from augstudy.learn.classifier import save_head
from augstudy.learn.loggers import Log, Loggers
from augstudy.learn.loop import Loop, Report
from augstudy.learn.methods.base import Diagnostic, Modules
from augstudy.learn.world import alone, place

__all__ = ["Pretraining"]

SHOWN = 32  # crops that a method may show pictures of

Optimizers = dict[str, torch.optim.Optimizer]
Look = Callable[[int, Encoder], dict[str, float]]  # epochs done, the encoder as it is -> columns of metrics.csv


@dataclass(frozen=True, kw_only=True)
class Pretraining(Loop):
    """A training that resumes after every epoch.

    Args:
        folder: where checkpoint, metrics.csv and TensorBoard events go.
        loggers: where its curves go besides metrics.csv.
        look: what an onlooker sees after an epoch, who changes nothing.
    """

    folder: RunFolder
    loggers: Loggers = field(default_factory=Loggers)
    look: Look | None = None

    def __call__(self, report: Report) -> tuple[Encoder, list[Diagnostic]]:
        """Train to the end, from the last finished epoch on.

        Returns:
            the encoder in eval mode, and the last epoch's diagnostics.

        Raises:
            Diverged: a loss or a weight is not finite.
            UserError: the checkpoint is damaged.
        """
        modules, state = self.trained(report)
        if state["history"]:  # again, for a run that was killed between its last checkpoint and this file
            write_text(self.folder.metrics, as_csv(state["history"]))
            self._save_pictures(modules.eval())
        if head := modules.classifier():
            save_head(self.folder, head)
        return modules.outcome().eval(), [Diagnostic(**d) for d in state["found"]]

    def trained(self, report: Report) -> tuple[Modules, dict[str, Any]]:
        """Networks after the last epoch, and the state that the checkpoint has; all of several processes call it."""
        modules, optimizers = self.make()
        state = load_checkpoint(self.folder.checkpoint) or {"epoch": 0, "history": [], "found": []}
        self._restore(state, modules, optimizers)
        with self.loggers.opened(self.folder, state["epoch"]) as log:
            for epoch in range(state["epoch"], self.method.epochs):
                state = self._advance(state, epoch, modules, optimizers, report, log)
        return modules, state

    def _advance(
        self, state: dict[str, Any], epoch: int, modules: Modules, optimizers: Optimizers, report: Report, log: Log
    ) -> dict[str, Any]:
        """Train one epoch, judge it and write it down; returns the new state."""
        row = self.epoch(epoch, modules, optimizers, report)
        if not torch.stack([value.isfinite().all() for value in modules.state_dict().values()]).all():
            raise Diverged(f"a weight became infinite in epoch {epoch + 1}")
        found = self._judge(modules)
        row |= {key: value for d in found for key, value in ((d.metric, d.value), (f"{d.metric} (chance)", d.chance))}
        if self.look and place()[0] == 0:
            with alone():
                row |= self.look(epoch + 1, modules.outcome())
        state = {
            "epoch": epoch + 1,
            "history": [*state["history"], row],
            "found": [vars(d) for d in found],
            "torch": list(dict.fromkeys([*state.get("torch", ()), str(torch.__version__)])),
            "modules": modules.state_dict(),
            "optimizers": {name: o.state_dict() for name, o in optimizers.items()},
        }
        if place()[0]:
            return state  # it is the first process that writes
        # Before the checkpoint: of a run killed in between the epoch is trained and logged again, and not missing.
        log({k: v for k, v in row.items() if k != "epoch"}, epoch + 1)
        save_checkpoint(self.folder.checkpoint, state)
        write_text(self.folder.metrics, as_csv(state["history"]))
        return state

    def _restore(self, state: dict[str, Any], modules: Modules, optimizers: Optimizers) -> None:
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

    @torch.no_grad()
    def _save_pictures(self, modules: Modules) -> None:
        """What the method can show of itself, as uint8 (n, h, w, 3) for figures that must not load torch."""
        for name, pixels in modules.pictures(self.batch(self.source.held_out(SHOWN), epoch=0)).items():
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
