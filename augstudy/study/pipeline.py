"""The story of a study: image -> corpus -> pretrain -> features -> probes -> record, then table and figures."""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment

from augstudy.core import registry
from augstudy.core.build import build, check_choice
from augstudy.core.errors import Diverged, Unprobable
from augstudy.core.lock import holding
from augstudy.core.records import extend_record, read_record, write_record
from augstudy.core.stop import Stopped
from augstudy.core.store import RunFolder, StudyFolder, sweep, write_yaml
from augstudy.data.corpus import Source
from augstudy.data.datasets.base import Labelled
from augstudy.data.device import DEVICES, device_for
from augstudy.data.images import load_image
from augstudy.evaluate.monitor import Monitor, Watch
from augstudy.learn.checkpoint import past
from augstudy.learn.classifier import Classifier, untrained
from augstudy.learn.loggers import Loggers
from augstudy.learn.loop import Compute
from augstudy.learn.pretrain import Pretraining
from augstudy.learn.ranks import require_devices, train_together
from augstudy.study.claims import check_claims
from augstudy.study.compose import presets
from augstudy.study.facts import left_out, run_facts, study_facts, substitutions, torch_versions
from augstudy.study.information import Information
from augstudy.study.keeping import keep, tidy
from augstudy.study.measurement import Measurement
from augstudy.study.pictures import Pictures, Subject
from augstudy.study.plan import expand
from augstudy.study.progress import Reporter, Told
from augstudy.study.provenance import continued
from augstudy.study.resources import Resources
from augstudy.study.spec import Study
from augstudy.study.stock import Planned, Stock, lender, waits
from augstudy.study.trial import check_reach, try_networks, try_teacher

__all__ = ["Laboratory"]

PRECISIONS = ("32-true", "bf16-mixed")  # Fabric's others need more than our loop does
WAIT = 1.0  # s between two looks at what others are making


class Laboratory:
    """A study with everything that it needs found and checked, ready to run.

    Args:
        study: composed study.
        results: folder of all studies' results.
        here: its runs are made on this machine; elsewhere, who makes one asks for devices there.

    Raises:
        UserError: from the constructor on, for anything that is wrong before training.
    """

    def __init__(self, study: Study, results: Path, here: bool = True) -> None:
        self.study, self.results = study, results
        self.folder = StudyFolder(results / study.name)
        self.runs = expand(study, presets())
        self.stock = Stock(study)
        self.measurement = Measurement.of(study)
        self.pictures = Pictures(study.figures, self.measurement.extraction)
        self.information = Information.of(study.mi, f"{study.said_in('mi')}: mi")
        for name in study.figures:
            registry.find("show.figures", name)
        check_claims(study, self.runs)
        self.measurement.check(self.runs)
        check_choice("device", study.device, DEVICES)
        self.device = study.device if here else "cpu"
        device_for(self.device)
        require_devices(study.devices, self.device)
        check_choice("precision", study.precision, PRECISIONS)
        self.compute = build(Compute, study.compute, f"{study.said_in('compute')}: compute")
        self.monitor = build(Monitor, study.monitor, f"{study.said_in('monitor')}: monitor")
        Resources.of(study)  # a mistake is found whatever the launcher
        self.loggers = Loggers(study.loggers, study.name)
        for run in self.runs:  # the images of all runs first, for the labelled set leaves them out
            self.stock.image(run)
        for run in self.runs:
            if run.seed == study.seeds[0]:
                try_networks(run, study.devices)
                try_teacher(run)
                if run.method.trains and run.view.reach:
                    check_reach(run, self.stock.sizes(run))
                if self.information.covers(run) and run.data == "full":
                    there = self.source(self.stock.plan(run)).held_out(self.information.pairs)
                    self.information.check_run(run, len(there))
        for used in self.stock.images.values():
            load_image(used.path)

    @cached_property
    def fabric(self) -> Fabric:
        """Device and precision, also in a job of Slurm, whose variables may tell of other tasks than ours."""
        environment = LightningEnvironment()
        return Fabric(accelerator=self.device, devices=1, precision=self.study.precision, plugins=[environment])

    @property
    def labelled(self) -> Labelled:
        """The set to probe on."""
        return self.stock.labelled

    @cached_property
    def planned(self) -> list[Planned]:
        """Every run with its hash, in the order of the table."""
        return [self.stock.plan(run) for run in self.runs]

    @cached_property
    def rows(self) -> list[list[Planned]]:
        """The same, those together that differ in nothing but their seed."""
        groups: dict[tuple[str, str], list[Planned]] = {}
        for plan in self.planned:
            groups.setdefault((plan.run.label, plan.run.place), []).append(plan)
        return list(groups.values())

    @cached_property
    def _row(self) -> dict[str, list[Planned]]:
        """The row of each run, by its hash; the first one of a hash that is in several."""
        return {plan.key: row for row in reversed(self.rows) for plan in row}

    def run(self, reporter: Reporter, work: Callable[["Laboratory", Reporter], None] | None = None) -> bool:
        """Do what is not done yet; each finished step is on disk before the next begins.

        Args:
            work: does it in another way than `work` here, such as in several processes.

        Returns:
            whether there may be something new to show: something was done, or the study says something else.
        """
        self.folder.require_writable()
        for plan in self.planned:
            tidy(self.folder.run(plan.key))
        before = self.folder.told()
        write_yaml(self.folder.index, self.index())
        todo = self.unfinished()
        notes = self.notes(look=bool(todo))
        reporter.study(self.study.name, len(self.planned), len(self.planned) - len(todo), notes)
        if todo:
            (work or Laboratory.work)(self, reporter)
        return bool(todo) or self.folder.told() != before

    def work(self, reporter: Told, plans: list[Planned] | None = None) -> None:
        """Make all runs, or these, that are not finished and that nobody else is making; wait for what others make.

        A run whose maker dies is taken over.
        """
        while left := self.unfinished(plans):  # anew: where a row's first seed fails, the next owes its galleries
            made = [plan for plan in left if self.attempt(plan, reporter)]
            if not made:
                time.sleep(WAIT)

    def place(self, plan: Planned) -> str:
        """The run's number in the study, which is the same for all who work on it, whenever they began."""
        return f"[{self.planned.index(plan) + 1}/{len(self.planned)}]"

    def attempt(self, plan: Planned, reporter: Told) -> bool:
        """Make a run, unless another process is making it or has made it."""
        with holding(self.folder.run(plan.key).lock) as mine:
            if not mine or self._finished(plan) or waits(plan, self.folder):
                return False
            sweep(self.folder.run(plan.key).path)
            reporter.begin(f"{self.place(plan)} {plan.run.label}, seed {plan.run.seed}", plan.run.place)
            record = self.run_one(plan, reporter)
            reporter.end(record, self.measurement.main(record, self.labelled))
            return True

    def unfinished(self, plans: list[Planned] | None = None) -> list[Planned]:
        """Which of all runs, in the order of the table, or of these are still to be made or measured."""
        return [plan for plan in (self.planned if plans is None else plans) if not self._finished(plan)]

    def notes(self, look: bool = True) -> list[str]:
        """What to know before anything is trained, one line each: substitutions, what no crop shows, doubtful data.

        Args:
            look: at every labelled image, which takes seconds.

        Raises:
            UserError: labels are missing or all alike.
        """
        left = left_out(self.planned, self.labelled)
        looked = [*self.measurement.doubts(self.labelled), *torch_versions(self.folder, self.planned)] if look else []
        return [*substitutions(self.stock.images.values(), self.labelled), *left, *looked]

    def run_one(self, plan: Planned, reporter: Told) -> dict[str, Any]:
        """Train the encoder unless that is done, then every probe and picture that is not; returns the record."""
        folder = self.folder.run(plan.key)
        record = read_record(folder.record) if folder.record.exists() else self._train(plan, folder, reporter)
        if record["status"] == "finished":
            teacher, device = self.teacher(plan), self.fabric.device
            try:
                found = self.measurement.missing(record, folder, self.labelled, device, teacher)
                extend_record(folder.record, record, found)
            except Unprobable as error:
                record |= {"status": "failed", "reason": error.what}
            write_record(folder.record, record)
        if record["status"] == "finished":
            if owed := self._unpainted(plan):
                subject = Subject(plan, folder, self.source(plan), self.labelled, self.measurement.extraction, device)
                self.pictures.make(owed, subject)
            if self.information.lacking(record, plan.run):
                told = self.information.missing(record, plan.run, self.training(plan))
                extend_record(folder.record, record, told)
        return dict(record)

    def _train(self, plan: Planned, folder: RunFolder, reporter: Told) -> dict[str, Any]:
        behind, device = past(folder), self.fabric.device
        facts = run_facts(plan, self.study, self.labelled, self.measurement, device)
        write_yaml(folder.provenance, facts := continued(facts, folder.provenance, behind.epochs))
        start = time.perf_counter() - behind.seconds
        run, training = plan.run, self.training(plan)
        record: dict[str, Any] = {"hash": plan.key, "method": run.method_name, "status": "finished", "reason": None}
        record["torch"] = behind.torch_until(run.method.epochs)
        try:
            train_together(training, self.study.devices, reporter.step)
            encoder, found = training(reporter.step)
        except Diverged as error:
            record |= {"status": "failed", "reason": str(error), "layers": [], "pretext": [], "evaluations": []}
            write_record(folder.record, record | {"seconds": round(time.perf_counter() - start, 3)})
            return record
        except (KeyboardInterrupt, Stopped) as error:
            write_yaml(folder.provenance, facts | {"stopped": str(error) or "SIGINT"})
            raise
        keep(folder, run, encoder, training.source)
        seconds = round(time.perf_counter() - start, 3)
        write_yaml(folder.provenance, facts | {"seconds": seconds, "torch": record["torch"]})
        record |= {"seconds": seconds, "layers": encoder.names, "pretext": [asdict(d) for d in found]}
        return record | {"evaluations": []}

    def training(self, plan: Planned, rehearsed: bool = False) -> Pretraining:
        """The training of this run's encoder, not begun yet.

        Args:
            rehearsed: only some steps will be timed, so that one may learn from a teacher who knows nothing yet.
        """
        run, view, folder = plan.run, plan.run.view, self.folder.run(plan.key)
        return Pretraining(
            method=run.method,
            backbone=run.method.network(run.backbone, view),
            source=self.source(plan),
            graph=view.graph(),
            graphs=view.graphs(run.method.views),
            teacher=self.teacher(plan, rehearsed),
            size=view.size,
            seed=run.seed,
            fabric=self.fabric,
            classes=len(self.labelled.classes) if run.data == "full" else 0,
            compute=self.compute,
            look=Watch(self.monitor, self.labelled, run.method.epochs) if self.monitor.every else None,
            folder=folder,
            loggers=replace(self.loggers, run=f"{run.row}, seed {run.seed}"),
        )

    def teacher(self, plan: Planned, rehearsed: bool = False) -> Callable[[], Classifier] | None:
        """What loads the classifier that a run learns from.

        Args:
            rehearsed: an untrained one stands in for a row of this study.
        """
        if rehearsed and isinstance(plan.teacher, Planned):
            return partial(untrained, plan.teacher.run.backbone, len(self.labelled.classes))
        return lender(plan.teacher, self.folder)

    def source(self, plan: Planned) -> Source:
        """What this run trains on."""
        return self.stock.source(plan, self.fabric.device)

    def _finished(self, plan: Planned) -> bool:
        path = self.folder.run(plan.key).record
        if not path.exists():
            return False
        record = read_record(path)
        if record["status"] == "failed":
            return True
        owed = self.measurement.lacking(record, self.labelled) or self.information.lacking(record, plan.run)
        return not owed and not self._unpainted(plan)

    def _unpainted(self, plan: Planned) -> list[str]:
        """The galleries that a run still owes: those of a row are of its first seed that did not fail."""
        if not self.pictures.galleries:
            return []
        row = self._row[plan.key]
        for earlier in row[: [one.key for one in row].index(plan.key)]:
            path = self.folder.run(earlier.key).record
            if not path.exists() or read_record(path)["status"] == "finished":
                return []
        return self.pictures.lacking(plan.run, self.folder.run(plan.key), self.labelled)

    def index(self) -> dict[str, Any]:
        """`study.yaml`: what table and figures need to know besides the records."""
        seen = [self.stock.samples(plan, self.fabric.device) for plan in self.planned]
        facts = study_facts(self.study, self.planned, seen, self.stock.images.values(), self.labelled, self.measurement)
        informed = self.information.told(facts["runs"], self.runs)
        return facts | informed | {"command": self.folder.made_by(self.study.command)}
