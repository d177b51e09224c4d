"""A row of a study: what it says, and the parts of its runs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from augstudy.core import registry
from augstudy.core.build import build, settings
from augstudy.core.errors import UserError, nearest
from augstudy.data.corpus import Recipe
from augstudy.study.regimes import CROPPED, Full, Image, Images, regime
from augstudy.study.sections import SECTIONS, as_sections, family, for_all_rows, named, network, view_of
from augstudy.study.spec import Study
from augstudy.study.teachers import Elsewhere, said

__all__ = ["Row"]

TIMES = re.compile(r"(\d+(?:\.\d+)?)x")  # as in `epochs: 4x`


@dataclass(frozen=True)
class Row:
    """A row as the study wrote it, its place in the file kept for errors.

    Its `epochs` may be a multiple, such as `4x`, of what its method has at that scale; `like` names a method whose
    backbone it has.
    """

    where: str
    label: str
    method: str
    data: str
    image: Image
    images: Images | None
    sections: dict[str, dict[str, Any]]
    families: tuple[str, ...]  # of views: one, unless the study sweeps over them
    teacher: str | Elsewhere | None
    like: str

    @classmethod
    def of(cls, row: dict[str, Any], number: int, study: Study, presets: Mapping[str, Mapping[str, Any]]) -> "Row":
        where = f"rows[{number}]"
        known = ("label", "data", "image", "teacher", "like", *SECTIONS)
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
        like = row.get("like", name)
        try:
            method = registry.find("learn.methods", name)
            registry.find("learn.methods", like)
        except UserError as error:
            raise error.at(where) from None
        data, images = regime(row.get("data"), method, name, where)
        image = row.get("image", {})
        image = build(Image, {**asdict(study.image), **named(image, f"{where}: image")}, f"{where}: image")
        late = study.sweep.get("view.name") or [study.overrides.get("view.name")]
        layers = [presets.get(name, {}), {"view": study.view}, study.methods.get(name, {}), sections]
        families = late if late[0] else [view_of(layers, where)[0]]
        teacher = said(row.get("teacher"), method, name, where)
        return cls(where, row["label"], name, data, image, images, sections, tuple(families), teacher, like)

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
        typed = {**study.overrides, **chosen}
        late = as_sections({k: v for k, v in typed.items() if self.takes(k, typed)})
        own = self._sections(study.methods)
        layers = [self._sections(presets), for_all_rows(study, self.takes), own, self.sections, late]
        merged = {name: {k: v for layer in layers for k, v in layer.get(name, {}).items()} for name in SECTIONS}
        method = registry.find("learn.methods", self.method)
        merged["method"] |= _epochs([layer.get("method", {}) for layer in layers], method.epochs)
        view_name, view = view_of(layers, self.where)
        backbone = merged["backbone"].pop("name", "alexnet")
        image = build(Image, {**asdict(self.image), **late.get("image", {})}, f"{self.where}: image")
        return {
            "label": self.label,
            "method_name": self.method,
            "method": build(method, merged["method"], f"{self.where}: method"),
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

    def _sections(self, methods: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """What is said of this row's method, and of the backbone of the one that it is like."""
        like = methods.get(self.like, {}).get("backbone", {})
        return {**methods.get(self.method, {}), "backbone": like}


def _epochs(layers: Sequence[Mapping[str, Any]], default: int) -> dict[str, Any]:
    """The epochs that layers of settings add up to, later ones beating or multiplying earlier ones."""
    said = [layer["epochs"] for layer in layers if "epochs" in layer]
    epochs: Any = default
    for value in said:
        times = TIMES.fullmatch(value) if isinstance(value, str) and isinstance(epochs, int) else None
        epochs = max(1, round(float(times[1]) * epochs)) if times else value
    return {"epochs": epochs} if said else {}
