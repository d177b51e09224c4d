"""One training in several processes of this machine, one a device."""

import pickle
from dataclasses import replace
from multiprocessing import Pipe, active_children
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import distributed
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from augstudy.core.errors import Diverged, UserError, on_disk
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
        UserError: the checkpoint is damaged or cannot be written, or a process died.
    """
    if devices == 1 or not training.method.trains:
        return
    heard, told = Pipe(duplex=False)
    errors: list[Exception] = []
    listener = Thread(target=listen, args=(heard, report, errors), daemon=True)
    listener.start()
    threads, others = max(1, torch.get_num_threads() // devices), active_children()
    try:
        # Fabric looks into dataclasses, and may not.
        together(training.fabric, devices).launch(rank, pickle.dumps(training), threads, told)
    except ProcessExitedException as error:
        fix = "Run it again: it goes on after its last epoch. If memory was short, set method.batch_size to less."
        errors.append(UserError(f"of {devices} processes that train together one died ({error})", fix))
    except ProcessRaisedException as error:  # maybe because another has told of an error and gone
        errors.append(error)
    finally:
        for process in set(active_children()) - set(others):  # where this one was stopped
            process.terminate()
            process.join()
        told.close()
        listener.join()
    if errors:
        raise next((error for error in errors if isinstance(error, Diverged | UserError)), errors[0])


def together(fabric: Fabric, devices: int) -> Fabric:
    """Processes of this machine with the device and precision of `fabric`, also where Slurm or MPI began this one."""
    return Fabric(
        accelerator=fabric.device.type,
        devices=devices,
        strategy="ddp_spawn",
        precision=fabric._precision.precision,
        plugins=[LightningEnvironment()],
    )


def listen(heard: Connection, report: Report, errors: list[Exception]) -> None:
    """Pass on what processes tell, until nobody is left who could."""
    while True:
        try:
            what, words = heard.recv()
        except (EOFError, OSError):  # the second in the midst of what a process said that was ended
            return
        if what == "step":
            report(*words)
        else:
            errors.append(Diverged(*words) if what == "diverged" else UserError(*words))


def rank(fabric: Fabric, pickled: bytes, threads: int, told: Connection) -> None:
    """What each process does. Errors of all are told: losses and weights are the same in all of them, files are not."""
    torch.set_num_threads(threads)
    first = fabric.global_rank == 0
    training: Pretraining = pickle.loads(pickled)
    training = replace(training, fabric=fabric, source=replace(training.source, device=fabric.device))  # type: ignore[type-var]
    if not first:
        training = replace(training, loggers=Loggers(("csv",)), look=None)

    def tell(what: str, *words: Any) -> None:
        if first or what != "step":
            told.send((what, words))

    try:
        training.trained(lambda *step: tell("step", *step))
    except Diverged as error:
        tell("diverged", str(error))
    except UserError as error:
        tell("error", error.what, error.fix)
    except OSError as error:
        tell("error", on_disk(error).what, on_disk(error).fix)
    distributed.destroy_process_group()
