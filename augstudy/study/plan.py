"""What a study says: rows, sweeps and seeds, and the runs that they expand to."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from augstudy.augment.views.base import View
from augstudy.core import registry
from augstudy.core.build import build, settings
from augstudy.core.errors import UserError, culprit, nearest
from augstudy.core.store import digest
from augstudy.data.corpus import Recipe
from augstudy.learn.backbones.base import Backbone
from augstudy.learn.methods.base import Method
from augstudy.study.grid import check_lists, distinct, grid
from augstudy.study.regimes import CROPPED, Data, Full, Image, Images, regime
from augstudy.study.sections import (
    SECTIONS,
    STANDARD,
    as_sections,
    check_keys,
    check_methods,
    family,
    for_all_rows,
    named,
    network,
    view_of,
)
from augstudy.study.teachers import Elsewhere, appointed, said

__all__ = ["Run", "Study", "expand"]


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


@dataclass(frozen=True)
class Run:
    """One encoder to train: a row with one value of every sweep axis and one seed.

    Args:
        label: of the row.
        method_name, method, backbone_name, backbone, view_name, view, recipe: built and checked parts.
        data: "none", "single_image", "images" or "full".
        image: its image, for "single_image".
        images: which ones, for "images".
        full: how many, for "full".
        teacher: of a student: the run that teaches it, or a checkpoint.
        seed: repetition.
        axes: sweep key -> value.
    """

    label: str
    method_name: str
    method: Method
    backbone_name: str
    backbone: Backbone
    view_name: str
    view: View
    recipe: Recipe
    data: str
    image: Image
    seed: int
    axes: dict[str, Any]
    images: Images | None = None
    full: Full = field(default_factory=Full)
    teacher: "Run | Elsewhere | None" = None

    @property
    def place(self) -> str:
        """Where in the sweep it stands, such as `view.strength=0.5`; "" without one."""
        return ", ".join(f"{key}={value}" for key, value in self.axes.items())

    @property
    def row(self) -> str:
        """The line of the table that it belongs to, with those of other seeds: its label and place."""
        return f"{self.label}, {self.place}" if self.place else self.label

    @property
    def cropped(self) -> bool:
        """Whether it is trained on a corpus of crops."""
        return self.data in CROPPED

    def identity(self, content: str, precision: str, teacher: str = "") -> dict[str, Any]:
        """What the encoder depends on; `content` names the pixels, `teacher` who teaches it. Labels, probes and figures
        are not in it."""
        facts: dict[str, Any] = {
            "method": [self.method_name, asdict(self.method)],
            "backbone": [self.backbone_name, asdict(self.backbone)],
            "seed": self.seed,
        }
        if self.method.trains:
            facts |= {"data": self.data, "content": content, "view": asdict(self.view), "precision": precision}
            # The standard family goes unnamed: so it was when it was the only one, and its runs keep their hashes.
            facts |= {} if self.view_name == STANDARD else {"family": self.view_name}
        if self.cropped:
            facts["corpus"] = asdict(self.recipe)
        if self.data == "full" and self.full.count:  # all of them go unnamed, as before there was a choice
            facts["full"] = asdict(self.full)
        return facts | ({"teacher": teacher} if teacher else {})


def expand(study: Study, presets: Mapping[str, Mapping[str, Any]]) -> list[Run]:
    """All runs of a study in the order of its table: rows, then sweep values, then seeds.

    Args:
        presets: method name -> the sections of `configs/method/<name>.yaml`.

    Raises:
        UserError: any setting of any row that is unknown, of a wrong type or out of range; names row and key.
    """
    try:
        return _expanded(study, presets)
    except UserError as error:
        raise error.at(_to_blame(error.what, study, presets)) from None


def _expanded(study: Study, presets: Mapping[str, Mapping[str, Any]]) -> list[Run]:
    check_lists([row.get("label") for row in study.rows], study.seeds, study.sweep)
    check_methods(study.method, study.methods)
    rows = [_Row.of(row, number, study, presets) for number, row in enumerate(study.rows)]
    families = {name for row in rows for name in row.families}
    check_keys([*study.sweep, *study.overrides], {row.method for row in rows}, families)
    runs: list[Run] = []
    for row in rows:
        points = grid({key: values for key, values in study.sweep.items() if row.takes(key)})
        built = [Run(**row.build(study, presets, axes), seed=study.seeds[0], axes=axes) for axes in points]
        kept = distinct(points, [digest(run.identity(repr(run.image), study.precision)) for run in built])
        new = [replace(built[number], seed=seed, axes=axes) for number, axes in kept for seed in study.seeds]
        runs += [replace(run, teacher=appointed(row.teacher, run, runs, row.where)) for run in new]
    return runs


def _to_blame(what: str, study: Study, presets: Mapping[str, Mapping[str, Any]]) -> str:
    """What makes a study fail: an override, a sweep, or else what its file says."""
    if key := _guilty("overrides", study, presets):
        return f"override {key}={study.overrides[key]}"
    key = _guilty("sweep", replace(study, overrides={}), presets)
    return f"sweep of {key}" if key else study.said_in(what)


def _guilty(name: str, study: Study, presets: Mapping[str, Mapping[str, Any]]) -> str | None:
    values: Mapping[str, Any] = getattr(study, name)

    def attempt(keys: Sequence[str]) -> list[Run]:
        some: dict[str, Any] = {name: {key: values[key] for key in keys}}
        return _expanded(replace(study, **some), presets)

    return culprit(list(values), attempt)


@dataclass(frozen=True)
class _Row:
    """A row as the study wrote it, its place in the file kept for errors."""

    where: str
    label: str
    method: str
    data: str
    image: Image
    images: Images | None
    sections: dict[str, dict[str, Any]]
    families: tuple[str, ...]  # of views: one, unless the study sweeps over them
    teacher: str | Elsewhere | None

    @classmethod
    def of(cls, row: dict[str, Any], number: int, study: Study, presets: Mapping[str, Mapping[str, Any]]) -> "_Row":
        where = f"rows[{number}]"
        known = ("label", "data", "image", "teacher", *SECTIONS)
        for key in row:
            if key not in known:
                raise UserError(f"{where}: unknown key {key!r}", nearest(str(key), known))
        if not isinstance(row.get("label"), str):
            raise UserError(f"{where}: it has no label", "Give it one: label: what the table shall call it.")
        where = f"{where} ({row['label']})"
        sections = {name: named(row.get(name, {}), f"{where}: {name}") for name in SECTIONS}
        name = sections["method"].pop("name", None)
        if name is None:
            raise UserError(f"{where}: it has no method", nearest("", registry.names("learn.methods")))
        try:
            method = registry.find("learn.methods", name)
        except UserError as error:
            raise error.at(where) from None
        data, images = regime(row.get("data"), method, name, where)
        image = row.get("image", {})
        image = build(Image, {**asdict(study.image), **named(image, f"{where}: image")}, f"{where}: image")
        late = study.sweep.get("view.name") or [study.overrides.get("view.name")]
        layers = [presets.get(name, {}), {"view": study.view}, study.methods.get(name, {}), sections]
        families = late if late[0] else [view_of(layers, where)[0]]
        teacher = said(row.get("teacher"), method, name, where)
        return cls(where, row["label"], name, data, image, images, sections, tuple(families), teacher)

    def takes(self, key: str, at: Mapping[str, Any] | None = None) -> bool:
        """Whether a dotted key such as `method.temperature` is a setting of this row, `at` a point of the sweep."""
        section, _, name = key.partition(".")
        method = registry.find("learn.methods", self.method)
        if section == "method":
            return bool(method.trains) and name in settings(method)
        if section == "view":
            families = [at["view.name"]] if at and "view.name" in at else self.families
            known = {key for each in families for key in settings(family(each, self.where))}
            return bool(method.trains) and name in {"name", *known}
        if section == "corpus":
            return self.data in CROPPED
        if section == "image":
            return self.data == "single_image"
        return section == "backbone"

    def build(
        self, study: Study, presets: Mapping[str, Mapping[str, Any]], chosen: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The parts of this row's runs at one point of the sweep."""
        own = study.methods.get(self.method, {})
        layers = [presets.get(self.method, {}), for_all_rows(study, self.takes), own, self.sections]
        typed = {**study.overrides, **chosen}
        late = as_sections({k: v for k, v in typed.items() if self.takes(k, typed)})
        merged = {
            name: {k: v for layer in [*layers, late] for k, v in layer.get(name, {}).items()} for name in SECTIONS
        }
        view_name, view = view_of([*layers, late], self.where)
        backbone = merged["backbone"].pop("name", "alexnet")
        image = build(Image, {**asdict(self.image), **late.get("image", {})}, f"{self.where}: image")
        return {
            "label": self.label,
            "method_name": self.method,
            "method": build(registry.find("learn.methods", self.method), merged["method"], f"{self.where}: method"),
            "backbone_name": backbone,
            "backbone": build(network(backbone, self.where), merged["backbone"], f"{self.where}: backbone"),
            "view_name": view_name,
            "view": build(family(view_name, self.where), view, f"{self.where}: view"),
            "recipe": build(Recipe, merged["corpus"], f"{self.where}: corpus"),
            "data": self.data,
            "image": image,
            "images": self.images,
            "full": build(Full, study.full, "full"),
        }
