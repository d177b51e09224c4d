"""Curves go where the names say; a service that is not installed is told before training."""

import csv
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from augstudy.core.errors import Diverged, UserError
from augstudy.core.store import RunFolder
from augstudy.learn import loggers as module
from augstudy.learn import pretrain
from augstudy.learn.loggers import Loggers


class Stub:
    """A logger of Lightning's that notes what it is told."""

    made: list["Stub"] = []  # noqa: RUF012
    summaries: dict[str, dict[str, int]] = {}  # noqa: RUF012

    def __init__(self, **settings):
        self.settings, self.rows, self.status = settings, [], None
        # W&B's run as it is resumed: its summary has the last of all that was logged under its id.
        self.experiment = SimpleNamespace(summary=Stub.summaries.setdefault(settings.get("id"), {}))
        Stub.made.append(self)

    def log_metrics(self, metrics, step):
        self.rows.append((step, metrics))
        self.experiment.summary["trainer/global_step"] = step

    def finalize(self, status):
        self.status = status


@pytest.fixture
def services(monkeypatch):
    """wandb and mlflow as if they were installed; gives the loggers made and the exit codes that wandb was given."""
    import pytorch_lightning.loggers as lightning

    finished = []
    monkeypatch.setattr(Stub, "made", [])
    monkeypatch.setattr(Stub, "summaries", {})
    monkeypatch.setattr(module, "find_spec", lambda name: True)
    monkeypatch.setattr(lightning, "WandbLogger", Stub)
    monkeypatch.setattr(lightning, "MLFlowLogger", Stub)
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(finish=lambda exit_code: finished.append(exit_code)))
    return SimpleNamespace(made=Stub.made, finished=finished)


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "study" / "runs" / "0123456789ab")


def test_metrics_csv_is_written_whatever_the_loggers(training):
    for names in ((), ("csv",), ("tensorboard",)):
        pretraining = training("rotnet", folder="-".join(names) or "none")
        object.__setattr__(pretraining, "loggers", Loggers(names))
        pretraining(lambda done, total, note: None)
        with pretraining.folder.metrics.open() as f:
            assert len(list(csv.DictReader(f))) == pretraining.method.epochs
        assert pretraining.folder.tensorboard.exists() == ("tensorboard" in names)


def test_tensorboard_has_the_curve(folder):
    with Loggers().opened(folder) as log:
        log({"loss": 0.5}, 1)
        log({"loss": 0.25}, 2)
    events = EventAccumulator(str(folder.tensorboard))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(1, 0.5), (2, 0.25)]


def test_services_get_the_project_the_run_and_every_epoch(services, folder, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with Loggers(("wandb", "mlflow"), "how_many", "MoCo, seed 1").opened(folder) as log:
        log({"loss": 0.5}, 1)
    wandb, mlflow = services.made
    assert (wandb.settings["project"], wandb.settings["name"]) == ("how_many", "MoCo, seed 1")
    assert wandb.settings["id"] == "0123456789ab"  # so that a resumed training goes on with its run
    assert (mlflow.settings["experiment_name"], mlflow.settings["run_name"]) == ("how_many", "MoCo, seed 1")
    assert mlflow.settings["tracking_uri"] == (folder.path.parents[1] / "mlruns").as_uri()
    for logger in services.made:
        assert logger.rows == [(1, {"loss": 0.5})]
        assert logger.status == "success"
    assert services.finished == [0]


def test_mlflow_follows_its_own_variable(services, folder, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    with Loggers(("mlflow",)).opened(folder):
        pass
    assert services.made[0].settings["tracking_uri"] == "http://localhost:5000"


def test_services_are_told_of_a_failure(services, folder):
    with pytest.raises(ZeroDivisionError), Loggers(("wandb", "mlflow")).opened(folder):
        1 / 0  # noqa: B018
    assert [logger.status for logger in services.made] == ["failed", "failed"]
    assert services.finished == [1]  # what W&B calls failed


def test_a_training_that_diverged_is_told_as_failed(services, training, monkeypatch):
    pretraining = replace(training("rotnet"), loggers=Loggers(("wandb", "mlflow")))
    modules = type(pretraining.make()[0])
    monkeypatch.setattr(modules, "loss", lambda self, batch: self.head.weight.sum() * float("nan"))
    with pytest.raises(Diverged):
        pretraining(lambda done, total, note: None)
    assert [logger.status for logger in services.made] == ["failed", "failed"]
    assert services.finished == [1]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("written", [False, True], ids=["before the checkpoint", "after it"])
def test_no_epoch_is_lost_or_shown_twice_by_a_kill_at_its_end(written, services, training, monkeypatch):
    pretraining = replace(training("rotnet", "method.epochs=3"), loggers=Loggers(("tensorboard", "wandb")))
    usual = pretrain.save_checkpoint

    def killed(path, state):
        if written:
            usual(path, state)
        if state["epoch"] == 2:
            raise Killed
        usual(path, state)

    with monkeypatch.context() as patched:
        patched.setattr(pretrain, "save_checkpoint", killed)
        with pytest.raises(Killed):
            pretraining(lambda done, total, note: None)
    time.sleep(1.1)  # TensorBoard orders the files of one process by the second
    pretraining(lambda done, total, note: None)
    rows = [row for logger in services.made for row in logger.rows]
    assert [step for step, _ in rows] == [1, 2, 3]
    events = EventAccumulator(str(pretraining.folder.tensorboard))
    events.Reload()
    assert [e.step for e in events.Scalars("loss")] == [1, 2, 3]
    with pretraining.folder.metrics.open() as f:
        kept = [float(row["loss"]) for row in csv.DictReader(f)]
    assert [metrics["loss"] for _, metrics in rows] == kept
    assert [e.value for e in events.Scalars("loss")] == pytest.approx(kept, rel=1e-6)


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_missing_package_is_two_lines_with_the_command_that_installs_it(name, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(UserError) as caught:
        Loggers((name,))
    assert name in caught.value.what
    assert f"pip install 'augstudy[{name}]'" in caught.value.fix


def test_an_unknown_logger_is_named_with_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'tensorboard'"):
        Loggers(("tensorbord",))
