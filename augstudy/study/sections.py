"""Sections: the parts of a run that a study, a row, a sweep or the command line may set."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from augstudy.augment.views.base import View
from augstudy.core import registry
from augstudy.core.build import settings
from augstudy.core.errors import UserError, nearest
from augstudy.data.corpus import Recipe
from augstudy.learn.backbones.base import Backbone
from augstudy.learn.methods.base import Method
from augstudy.study.regimes import Image

__all__ = [
    "SECTIONS",
    "STANDARD",
    "as_sections",
    "check_keys",
    "check_methods",
    "family",
    "for_all_rows",
    "named",
    "network",
    "view_of",
]

SECTIONS = ("method", "backbone", "view", "corpus")
STANDARD = "standard"  # the view family of a study that names none


def named(node: Any, where: str) -> dict[str, Any]:
    """A section as a mapping; a bare word is its name."""
    if isinstance(node, str):
        return {"name": node}
    if isinstance(node, Mapping):
        return dict(node)
    raise UserError(f"{where} is {node!r}, neither a name nor settings", "Write a name, or {name: ..., key: value}.")


def as_sections(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """{"method.lr": 1} -> {"method": {"lr": 1}}."""
    sections: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, {})[name] = value
    return sections


def family(name: str, where: str) -> type[View]:
    """The view family of this name. Raises UserError, `where` before it, when there is none."""
    try:
        found: type[View] = registry.find("augment.views", name)
        return found
    except UserError as error:
        raise error.at(f"{where}: view") from None


def network(name: str, where: str) -> type[Backbone]:
    """The backbone of this name. Raises UserError, `where` before it, when there is none."""
    try:
        found: type[Backbone] = registry.find("learn.backbones", name)
        return found
    except UserError as error:
        raise error.at(f"{where}: backbone") from None


def for_all_rows(study: object, takes: Callable[[str], bool]) -> dict[str, dict[str, Any]]:
    """A study's sections for all rows; of `method`, what a row's method has."""
    return {
        name: {k: v for k, v in getattr(study, name).items() if name != "method" or takes(f"method.{k}")}
        for name in SECTIONS
    }


def view_of(layers: Sequence[Mapping[str, Any]], where: str) -> tuple[str, dict[str, Any]]:
    """Name and settings of the view family that layers of sections add up to, later ones beating earlier ones.

    What a layer says of another family, or of the standard one without naming any, passes a row by where the row's
    family has no such setting; a misspelt key does not.
    """
    views = [layer.get("view", {}) for layer in layers]
    name = ([view["name"] for view in views if "name" in view] or [STANDARD])[-1]
    known = settings(family(name, where))
    chosen: dict[str, Any] = {}
    for view in views:
        said = {key: value for key, value in view.items() if key != "name"}
        theirs = settings(family(view.get("name", STANDARD), where))
        _check(said, theirs if "name" in view else {*theirs, *known}, f"{where}: view: unknown key")
        chosen |= {key: value for key, value in said.items() if key in known}
    return name, chosen


def check_methods(method: Mapping[str, Any], methods: Mapping[str, Mapping[str, Any]]) -> None:
    """Settings for all methods, or for one, may go unused in a study, but none may be misspelt.

    Raises:
        UserError: an unknown method, section or setting.
    """
    known = {name: settings(registry.find("learn.methods", name)) for name in registry.names("learn.methods")}
    _check(method, {key for keys in known.values() for key in keys}, "method: unknown key")
    _check(methods, known, "methods: unknown method")
    for name, sections in methods.items():
        _check(sections, SECTIONS, f"methods: {name}: unknown key")
        _check(sections.get("method", {}), known[name], f"methods: {name}: method: unknown key")


def check_keys(keys: Iterable[str], methods: Iterable[str], families: Iterable[str]) -> None:
    """Each dotted key must be a setting of some row: a misspelt one would otherwise be dropped in silence.

    Args:
        methods, families: names of the methods and view families of all rows.

    Raises:
        UserError: names the key and the nearest right one.
    """
    parts = {
        "method": [part for part in map(_method, methods) if part.trains],
        "backbone": [registry.find("learn.backbones", name) for name in registry.names("learn.backbones")],
        "view": [family(name, "rows") for name in families],
        "corpus": [Recipe],
        "image": [Image],
    }
    for key in keys:
        section, _, name = key.partition(".")
        if section not in parts:
            raise UserError(f"unknown key {key!r}", nearest(section, parts))
        known = {setting for part in parts[section] for setting in settings(part)}
        known |= {"name"} if section in ("backbone", "view") else set()
        if name not in known:
            what = f"no method of this study has the setting {key!r}" if section == "method" else f"unknown key {key!r}"
            raise UserError(what, nearest(key, [f"{section}.{k}" for k in known]))


def _method(name: str) -> type[Method]:
    found: type[Method] = registry.find("learn.methods", name)
    return found


def _check(found: Iterable[str], known: Iterable[str], what: str) -> None:
    for key in found:
        if key not in known:
            raise UserError(f"{what} {key!r}", nearest(str(key), known))
