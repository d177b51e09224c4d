"""The runs that a study expands to: rows, sweeps and seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from augstudy.augment.views.base import View
from augstudy.core.errors import UserError, culprit
from augstudy.core.store import digest
from augstudy.data.corpus import Recipe
from augstudy.learn.backbones.base import Backbone
from augstudy.learn.methods.base import Method
from augstudy.study.grid import check_lists, distinct, grid
from augstudy.study.regimes import CROPPED, Full, Image, Images
from augstudy.study.row import Row
from augstudy.study.sections import STANDARD, check_keys, check_methods
from augstudy.study.spec import Study
from augstudy.study.teachers import Elsewhere, appointed

__all__ = ["Run", "expand"]


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
    rows = [Row.of(row, number, study, presets) for number, row in enumerate(study.rows)]
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
