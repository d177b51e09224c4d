"""What a study's files say of it and of each of its runs, besides the numbers."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import torch

from augstudy.core.records import other_versions, read_records
from augstudy.core.store import StudyFolder
from augstudy.data.datasets.base import Labelled
from augstudy.data.images import ImageUsed
from augstudy.study.measurement import Measurement
from augstudy.study.provenance import image_facts, plain, provenance
from augstudy.study.spec import Study
from augstudy.study.stock import Planned

__all__ = ["entry", "left_out", "run_facts", "study_facts", "substitutions", "torch_versions"]

NAMED = 3  # rows that a note for many names
ADVICE = "; AUGSTUDY_DATA may name a folder that has it"


def study_facts(
    study: Study,
    planned: list[Planned],
    seen: list[int],
    images: Iterable[ImageUsed],
    data: Labelled,
    measurement: Measurement,
) -> dict[str, Any]:
    """`study.yaml`: what table and figures need to know besides the records.

    Args:
        seen: samples that each run sees in its training.
    """
    return {
        "study": study.name,
        "title": study.title,
        "question": study.question,
        "scale": study.scale,
        "image": image_facts(next(iter(images), None)),
        "probe_data": {
            "asked": study.probe_data.name,
            "used": data.name,
            "label": data.label,
            "note": data.note,
            "classes": len(data.classes),
            **measurement.sizes(data),
        },
        "probes": measurement.index(data),
        "figures": list(study.figures),
        "claims": list(study.claims),
        "notes": left_out(planned, data),
        "axes": list(study.sweep),
        "units": units(study, planned),
        "runs": [entry(plan) | {"samples": count} for plan, count in zip(planned, seen, strict=True)],
    }


def units(study: Study, planned: list[Planned]) -> dict[str, str]:
    """The units of sweep axes that are the control of a view family, such as px; pure numbers have none."""
    views = {plan.run.view for plan in planned if plan.run.view.unit}
    return {axis: view.unit for axis in study.sweep for view in views if axis == f"view.{view.control}"}


def entry(plan: Planned) -> dict[str, Any]:
    """A run's line in `study.yaml`."""
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


def run_facts(
    plan: Planned, study: Study, data: Labelled, measurement: Measurement, device: torch.device
) -> dict[str, Any]:
    """`run.yaml`: all settings of a run, what it read, and where it was made."""
    run = plan.run
    return {
        **entry(plan),
        "study": study.name,
        "scale": study.scale,
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
            "asked": study.probe_data.name,
            "used": data.name,
            "note": data.note,
            "features": asdict(measurement.extraction),
            "probes": {name: plain(asdict(probe)) for name, probe in measurement.probes.items()},
            **({"skipped": list(data.skipped)} if data.skipped else {}),
        },
        **provenance(device, study.precision),
    }


def left_out(planned: Iterable[Planned], data: Labelled) -> list[str]:
    """What is not looked at: images that no crop of a row shows and bad files; and those of the labelled set."""
    alike: dict[str, dict[str, None]] = {}  # words -> rows, each once whatever its seeds
    for plan in planned:
        if plan.note:
            alike.setdefault(plan.note, {})[plan.run.row] = None
    rows = [f"{several(list(names))}: {words}." for words, names in alike.items()]
    count = f"{len(data.skipped):,} images of {data.label} could not be read and were left out (listed in run.yaml)."
    return [*rows, count] if data.skipped else rows


def several(names: list[str]) -> str:
    """The names of rows, which may have commas in them, or how many more there are than some."""
    more = len(names) - NAMED
    return "; ".join(names if more <= 1 else [*names[:NAMED], f"{more} rows more"])


def substitutions(images: Iterable[ImageUsed], data: Labelled) -> list[str]:
    """What was used in place of what was asked for, one line each."""
    lines = [
        f"image {used.asked} cannot be had: using {used.name} ({used.credit}; {used.licence}){ADVICE}"
        for used in images
        if used.name != used.asked and used.label != used.name
    ]
    return [*lines, f"data set {data.asked} cannot be had: probing on {data.name}{ADVICE}"] if data.asked else lines


def torch_versions(folder: StudyFolder, planned: Iterable[Planned]) -> list[str]:
    """A line where finished runs were trained with another torch than is here."""
    note = other_versions(read_records(folder, [plan.key for plan in planned]), str(torch.__version__))
    return [note] if note else []
