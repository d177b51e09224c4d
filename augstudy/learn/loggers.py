"""Where the curves of a training go: metrics.csv always, and services by name through Lightning's loggers."""

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from types import TracebackType
from typing import Any

from lightning_fabric.loggers import TensorBoardLogger

from augstudy.core.build import check_choice
from augstudy.core.errors import UserError
from augstudy.core.store import RunFolder

__all__ = ["Log", "Loggers"]

NAMES = ("csv", "tensorboard", "wandb", "mlflow")
EXTRAS = ("wandb", "mlflow")  # packages that are not installed unless asked for

Log = Callable[[dict[str, float], int], None]  # metrics of an epoch, and its number from 1 on


@dataclass(frozen=True)
class Loggers:
    """Loggers by name; which ones never changes what is trained, nor the hash of a run.

    Args:
        names: of "csv" (metrics.csv, which is written even if it is not named), "tensorboard", "wandb" and "mlflow".
        project: what services call the study.
        run: what they call the run.

    Raises:
        UserError: an unknown name, or a service whose package is not installed.
    """

    names: tuple[str, ...] = ("csv", "tensorboard")
    project: str = "augstudy"
    run: str = "run"

    def __post_init__(self) -> None:
        for name in self.names:
            check_choice("loggers", name, NAMES)
            if name in EXTRAS and find_spec(name) is None:
                fix = f"Install it with pip install 'augstudy[{name}]', or take {name} out of loggers."
                raise UserError(f"loggers: {name} is not installed", fix)

    @contextmanager
    def opened(self, folder: RunFolder, done: int = 0) -> Iterator[Log]:
        """A function that logs an epoch everywhere; when the block ends, services are told how it ended.

        An epoch that was logged by a process killed before its checkpoint may be logged again: it is shown once.

        Args:
            folder: of the run.
            done: epochs in its checkpoint; the next one to be logged is `done` + 1.
        """
        with ExitStack() as stack:
            made = [MAKERS[name](self, folder, done, stack) for name in self.names if name in MAKERS]

            def log(metrics: dict[str, float], step: int) -> None:
                for logger in made:
                    logger.log_metrics(metrics, step=step)

            status = "failed"
            try:
                yield log
                status = "success"
            finally:
                for logger in made:
                    logger.finalize(status)


@dataclass(frozen=True)
class Once:
    """W&B's logger, which would keep an epoch twice, told of no epoch that its run has already."""

    logger: Any

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        if step > (self.logger.experiment.summary.get("trainer/global_step") or 0):
            self.logger.log_metrics(metrics, step=step)

    def finalize(self, status: str) -> None:
        self.logger.finalize(status)


def tensorboard(loggers: Loggers, folder: RunFolder, done: int, stack: ExitStack) -> Any:
    """Event files in the run's folder; what they hold of epochs that are to come is put aside."""
    return TensorBoardLogger(root_dir=folder.tensorboard, name="", version="", purge_step=done + 1)


def wandb(loggers: Loggers, folder: RunFolder, done: int, stack: ExitStack) -> Any:
    """A run of the project; a resumed training goes on with its own, for the run's hash is its id."""
    from pytorch_lightning.loggers import WandbLogger

    service = importlib.import_module("wandb")

    def finish(kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Or the next training would write into this run. Lightning does not tell W&B of a failure; this does."""
        service.finish(exit_code=0 if kind is None else 1)

    stack.push(finish)
    run = WandbLogger(name=loggers.run, project=loggers.project, id=folder.path.name, save_dir=str(folder.path))
    return Once(run)


def mlflow(loggers: Loggers, folder: RunFolder, done: int, stack: ExitStack) -> Any:
    """A run of the experiment, at MLFLOW_TRACKING_URI or else in files beside the runs; a resumed one is a new run."""
    from pytorch_lightning.loggers import MLFlowLogger

    where = os.environ.get("MLFLOW_TRACKING_URI") or folder.mlflow.resolve().as_uri()
    return MLFlowLogger(experiment_name=loggers.project, run_name=loggers.run, tracking_uri=where)


MAKERS = {"tensorboard": tensorboard, "wandb": wandb, "mlflow": mlflow}
