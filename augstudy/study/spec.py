"""What a study says."""

from dataclasses import dataclass, field
from typing import Any

from augstudy.study.regimes import Data, Image

__all__ = ["Study"]


@dataclass(frozen=True)
class Study:
    """A study file with its defaults, before it is expanded.

    Args:
        name: file name without ending; also the results folder.
        title, question: for table, figures and report.
        scale: which preset of sizes is in force.
        image, probe_data: what is looked at, and what is recognised.
        rows: one mapping a line of the table: `label`, `method`, `data`, and sections.
        sweep: dotted key -> values; every row is run with each combination.
        seeds: repetitions.
        method, backbone, view, corpus: sections for all rows.
        methods: method name -> sections for its rows.
        full: how much of the labelled set `data: full` trains on (see `Full`).
        features: how features are read (see `Extraction`).
        probes: probe name -> its settings.
        mi: what is measured of pairs of views (see `Information`).
        figures, claims: what is drawn, and comparisons that are judged on the results (see `augstudy.show.claims`).
        device, devices: "auto", "cpu" or "cuda"; how many of them train one run together.
        precision: Lightning Fabric's name for it, such as "32-true" or "bf16-mixed".
        compute: how training is computed (see `Compute`).
        monitor: how the encoder is looked at while it is trained (see `Monitor`).
        loggers, resources: where training curves go (see `Loggers`); what a run asks of a cluster (see `Resources`).
        overrides: dotted key -> value, from the command line; they beat everything else.
        file, typed, command: for errors and for people: the study's file, the other overrides, and all that was typed.
    """

    name: str
    title: str = ""
    question: str = ""
    scale: str = "paper"
    image: Image = field(default_factory=Image)
    probe_data: Data = field(default_factory=Data)
    rows: tuple[dict[str, Any], ...] = ()
    sweep: dict[str, list[Any]] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0,)
    method: dict[str, Any] = field(default_factory=dict)
    backbone: dict[str, Any] = field(default_factory=dict)
    view: dict[str, Any] = field(default_factory=dict)
    corpus: dict[str, Any] = field(default_factory=dict)
    methods: dict[str, dict[str, Any]] = field(default_factory=dict)
    full: dict[str, Any] = field(default_factory=dict)
    features: dict[str, Any] = field(default_factory=dict)
    probes: dict[str, dict[str, Any]] = field(default_factory=lambda: {"linear": {}})
    mi: dict[str, Any] = field(default_factory=dict)
    figures: tuple[str, ...] = ()
    claims: tuple[dict[str, Any], ...] = ()
    device: str = "auto"
    devices: int = 1
    precision: str = "32-true"
    compute: dict[str, Any] = field(default_factory=dict)
    monitor: dict[str, Any] = field(default_factory=dict)
    loggers: tuple[str, ...] = ("csv", "tensorboard")
    resources: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    file: str = ""
    typed: tuple[str, ...] = ()
    command: str = ""

    def said_in(self, what: str) -> str:
        """Where an error comes from that begins with its key: the command line, or else the file."""
        key = what.split(":")[0].split("[")[0]
        typed = [text.lstrip("+") for text in self.typed if text.lstrip("+~").startswith(key)]
        return f"override {typed[0]!r}" if typed else self.file or self.name
