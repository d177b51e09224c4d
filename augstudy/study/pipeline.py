"""The story of a study: image -> corpus -> pretrain -> features -> probes -> record, then table and figures."""

import time
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from augstudy.core import registry
from augstudy.core.build import build, check_choice
from augstudy.core.errors import Diverged
from augstudy.core.store import RunFolder, StudyFolder, read_record, save_array, write_json, write_yaml
from augstudy.data.corpus import Source
from augstudy.data.datasets.base import Labelled
from augstudy.data.device import device_for
from augstudy.data.images import ImageUsed, load_image
from augstudy.evaluate.monitor import Monitor, Watch
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.checkpoint import save_encoder
from augstudy.learn.loggers import Loggers
from augstudy.learn.loop import Compute
from augstudy.learn.pretrain import Pretraining
from augstudy.study.claims import check_claims
from augstudy.study.compose import presets
from augstudy.study.measurement import Measurement
from augstudy.study.plan import Study, expand
from augstudy.study.progress import Reporter
from augstudy.study.provenance import image_facts, plain, provenance
from augstudy.study.regimes import Image
from augstudy.study.stock import Planned, Stock
from augstudy.study.trial import try_networks

__all__ = ["Laboratory"]

PRECISIONS = ("32-true", "bf16-mixed")  # Fabric's others need more than our loop does
SHEET = 64  # crops kept of each corpus for the contact sheet


class Laboratory:
    """A study with everything that it needs found and checked, ready to run.

    Args:
        study: composed study.
        results: folder of all studies' results.

    Raises:
        UserError: from the constructor on, for anything that is wrong before training.
    """

    def __init__(self, study: Study, results: Path) -> None:
        self.study = study
        self.folder = StudyFolder(results / study.name)
        self.runs = expand(study, presets())
        self.stock = Stock(study)
        self.measurement = Measurement.of(study)
        for name in study.figures:
            registry.find("show.figures", name)
        check_claims(study, self.runs)
        self.measurement.check(self.runs)
        device_for(study.device)
        check_choice("precision", study.precision, PRECISIONS)
        self.compute = build(Compute, study.compute, f"{study.said_in('compute')}: compute")
        self.monitor = build(Monitor, study.monitor, f"{study.said_in('monitor')}: monitor")
        self.loggers = Loggers(study.loggers, study.name)
        for run in self.runs:
            self.stock.image(run)
            if run.seed == study.seeds[0]:
                try_networks(run)
        for used in self.images.values():
            load_image(used.path)

    @cached_property
    def fabric(self) -> Fabric:
        """Device and precision."""
        return Fabric(accelerator=self.study.device, devices=1, precision=self.study.precision)

    @property
    def images(self) -> dict[Image, ImageUsed]:
        """Images found for the study's rows."""
        return self.stock.images

    @property
    def labelled(self) -> Labelled:
        """The set to probe on."""
        return self.stock.labelled

    @cached_property
    def planned(self) -> list[Planned]:
        """Every run with its hash, in the order of the table."""
        return [self.stock.plan(run) for run in self.runs]

    @property
    def rows(self) -> list[list[Planned]]:
        """The same, those together that differ in nothing but their seed."""
        groups: dict[tuple[str, str], list[Planned]] = {}
        for plan in self.planned:
            groups.setdefault((plan.run.label, plan.run.place), []).append(plan)
        return list(groups.values())

    def run(self, reporter: Reporter) -> bool:
        """Do what is not done yet; each finished step is on disk before the next begins.

        Returns:
            whether there may be something new to show: something was done, or the study says something else.
        """
        self.folder.require_writable()
        before = self.folder.told()
        write_yaml(self.folder.index, self.index())
        todo = [p for p in self.planned if not self._finished(p)]
        reporter.study(self.study.name, len(self.planned), len(self.planned) - len(todo), self.notes())
        for number, plan in enumerate(todo, 1):
            reporter.begin(number, len(todo), f"{plan.run.label}, seed {plan.run.seed}", plan.run.place)
            record = self.run_one(plan, reporter)
            reporter.end(record, self.measurement.main(record, self.labelled))
        return bool(todo) or self.folder.told() != before

    def notes(self) -> list[str]:
        """What to know before anything is trained, one line each.

        Raises:
            UserError: labels are missing or all alike.
        """
        doubts = self.measurement.doubts(self.labelled)
        return [*self.substitutions(), *self.unseen(), *doubts]

    def unseen(self) -> list[str]:
        """For each row whose corpus has fewer crops than images, how many of them it shows."""
        return list(dict.fromkeys(plan.note for plan in self.planned if plan.note))

    def substitutions(self) -> list[str]:
        """What was used in place of what was asked for, one line each."""
        lines = [
            f"image {used.asked} cannot be had: using {used.name} ({used.credit}; {used.licence})"
            for used in self.images.values()
            if used.name != used.asked and used.label != used.name
        ]
        if self.labelled.asked:
            lines.append(f"data set {self.labelled.asked} cannot be had: probing on {self.labelled.name}")
        return lines

    def run_one(self, plan: Planned, reporter: Reporter) -> dict[str, Any]:
        """Train the encoder unless that is done, then every probe that is not; returns the record."""
        folder = self.folder.run(plan.key)
        record = read_record(folder.record) if folder.record.exists() else self._train(plan, folder, reporter)
        if record["status"] == "finished":
            record["evaluations"] += self.measurement.missing(record, folder, self.labelled, self.fabric.device)
            write_json(folder.record, record)
        return dict(record)

    def _train(self, plan: Planned, folder: RunFolder, reporter: Reporter) -> dict[str, Any]:
        write_yaml(folder.provenance, self._provenance(plan))
        start = time.perf_counter()
        run, training = plan.run, self.training(plan)
        record: dict[str, Any] = {"hash": plan.key, "method": run.method_name, "status": "finished", "reason": None}
        try:
            encoder, found = training(reporter.step)
        except Diverged as error:
            record |= {"status": "failed", "reason": str(error), "layers": [], "pretext": [], "evaluations": []}
            write_json(folder.record, record | {"seconds": round(time.perf_counter() - start, 3)})
            return record
        size = run.view.size if run.method.trains else None
        save_encoder(folder, encoder.cpu(), run.backbone_name, asdict(run.backbone), size)
        self._save_pictures(plan, folder, training.source, encoder)
        seconds = round(time.perf_counter() - start, 3)
        write_yaml(folder.provenance, self._provenance(plan) | {"seconds": seconds})
        pretext = [asdict(d) for d in found]
        return record | {"seconds": seconds, "layers": encoder.names, "pretext": pretext, "evaluations": []}

    def training(self, plan: Planned) -> Pretraining:
        """The training of this run's encoder, not begun yet."""
        run, view, folder = plan.run, plan.run.view, self.folder.run(plan.key)
        return Pretraining(
            method=run.method,
            backbone=run.backbone,
            source=self.source(plan),
            graph=view.graph(),
            size=view.size,
            seed=run.seed,
            fabric=self.fabric,
            classes=len(self.labelled.classes) if run.data == "full" else 0,
            compute=self.compute,
            look=Watch(self.monitor, self.labelled, run.method.epochs) if self.monitor.every else None,
            folder=folder,
            loggers=replace(self.loggers, run=f"{run.row}, seed {run.seed}"),
        )

    def source(self, plan: Planned) -> Source:
        """What this run trains on."""
        return self.stock.source(plan, self.fabric.device)

    def _save_pictures(self, plan: Planned, folder: RunFolder, source: Source, encoder: Encoder) -> None:
        """What figures need that must not load torch: first-layer filters, and some crops."""
        conv = next(m for m in encoder.modules() if isinstance(m, torch.nn.Conv2d))
        save_array(folder.filters, conv.weight.detach().permute(0, 2, 3, 1).numpy())
        if plan.run.cropped:
            crops = source.batch(torch.arange(SHEET)).mul(255).round().byte()
            save_array(folder.crops, crops.permute(0, 2, 3, 1).cpu().numpy())

    def _finished(self, plan: Planned) -> bool:
        path = self.folder.run(plan.key).record
        if not path.exists():
            return False
        record = read_record(path)
        return record["status"] == "failed" or not self.measurement.lacking(record, self.labelled)

    def index(self) -> dict[str, Any]:
        """`study.yaml`: what table and figures need to know besides the records."""
        study, data = self.study, self.labelled
        image = next(iter(self.images.values()), None)
        return {
            "study": study.name,
            "title": study.title,
            "question": study.question,
            "command": self.folder.made_by(study.command),
            "scale": study.scale,
            "image": image_facts(image),
            "probe_data": {
                "asked": study.probe_data.name,
                "used": data.name,
                "label": data.label,
                "note": data.note,
                "classes": len(data.classes),
                **self.measurement.sizes(data),
            },
            "probes": self.measurement.index(data),
            "figures": list(study.figures),
            "claims": list(study.claims),
            "notes": self.unseen(),
            "axes": list(study.sweep),
            "runs": [self._entry(plan) for plan in self.planned],
        }

    def _entry(self, plan: Planned) -> dict[str, Any]:
        run = plan.run
        return {
            "label": run.label,
            "method": run.method_name,
            "data": run.data,
            "image": plan.pictures,
            "seed": run.seed,
            "axes": run.axes,
            "hash": plan.key,
        }

    def _provenance(self, plan: Planned) -> dict[str, Any]:
        run = plan.run
        return {
            **self._entry(plan),
            "study": self.study.name,
            "scale": self.study.scale,
            "image_used": image_facts(plan.image),
            "images_drawn": plan.drawn.facts(run.recipe.count) if plan.drawn else None,
            "config": {
                "method": {"name": run.method_name, **plain(asdict(run.method))},
                "backbone": {"name": run.backbone_name, **plain(asdict(run.backbone))},
                "view": {"name": run.view_name, **plain(asdict(run.view))},
                "corpus": plain(asdict(run.recipe)) if run.cropped else None,
                "full": asdict(run.full) if run.data == "full" else None,
            },
            "probe_data": {
                "asked": self.study.probe_data.name,
                "used": self.labelled.name,
                "note": self.labelled.note,
                "features": asdict(self.measurement.extraction),
                "probes": {name: plain(asdict(probe)) for name, probe in self.measurement.probes.items()},
            },
            **provenance(self.fabric.device, self.study.precision),
        }
