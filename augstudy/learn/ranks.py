"""One training in several processes of this machine, one a device."""

import pickle
from dataclasses import replace
from multiprocessing import get_context
from threading import Thread
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import distributed

from augstudy.core.errors import Diverged, UserError
from augstudy.learn.loggers import Loggers
from augstudy.learn.loop import Report
from augstudy.learn.pretrain import Pretraining

__all__ = ["require_devices", "train_together"]


def require_devices(count: int, device: str) -> None:
    """Raises UserError where a machine has fewer cards than are to train together; CPU processes can be any number."""
    if count < 1:
        raise UserError(f"devices is {count}", "Set devices to the number of devices that train a run together.")
    cards = torch.cuda.device_count() if device != "cpu" else 0
    if count > 1 and cards and count > cards:
        raise UserError(f"devices is {count}, but this machine has {cards} cards", f"Set devices to at most {cards}.")


def train_together(training: Pretraining, devices: int, report: Report) -> None:
    """Where there are several devices, bring a training to its end; the files it leaves are as of one process.

    Each process has its share of every batch, gradients are averaged, batch norm sees what the method says
    (`Method.norm_spans`), and the first process writes.

    Raises:
        Diverged: as `Pretraining`.
        UserError: the checkpoint is damaged.
    """
    if devices == 1 or not training.method.trains:
        return
    told = get_context("spawn").SimpleQueue()
    errors: list[Exception] = []
    listener = Thread(target=listen, args=(told, report, errors), daemon=True)
    listener.start()
    accelerator = training.fabric.device.type
    precision = training.fabric._precision.precision
    fabric = Fabric(accelerator=accelerator, devices=devices, strategy="ddp_spawn", precision=precision)
    threads = max(1, torch.get_num_threads() // devices)
    try:
        fabric.launch(rank, pickle.dumps(training), threads, told)  # Fabric looks into dataclasses, and may not
    finally:
        told.put(None)
        listener.join()
    if errors:
        raise errors[0]


def listen(told: Any, report: Report, errors: list[Exception]) -> None:
    """Pass on what the first process tells, until there is no more."""
    while (message := told.get()) is not None:
        what, words = message
        if what == "step":
            report(*words)
        else:
            errors.append(Diverged(*words) if what == "diverged" else UserError(*words))


def rank(fabric: Fabric, pickled: bytes, threads: int, told: Any) -> None:
    """What each process does; errors are the same in all of them, for losses and weights are."""
    torch.set_num_threads(threads)
    first = fabric.global_rank == 0
    training: Pretraining = pickle.loads(pickled)
    training = replace(training, fabric=fabric, source=replace(training.source, device=fabric.device))  # type: ignore[type-var]
    if not first:
        training = replace(training, loggers=Loggers(("csv",)), look=None)

    def tell(what: str, *words: Any) -> None:
        if first:
            told.put((what, words))

    try:
        training.trained(lambda *step: tell("step", *step))
    except Diverged as error:
        tell("diverged", str(error))
    except UserError as error:
        tell("error", error.what, error.fix)
    distributed.destroy_process_group()
