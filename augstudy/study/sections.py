"""Sections: the parts of a run that a study, a row, a sweep or the command line may set."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from augstudy.augment.views.base import View
from augstudy.core import registry
from augstudy.core.build import settings
from augstudy.core.errors import UserError, nearest

__all__ = ["SECTIONS", "STANDARD", "as_sections", "check_methods", "family", "named", "view_of"]

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


def _check(found: Iterable[str], known: Iterable[str], what: str) -> None:
    for key in found:
        if key not in known:
            raise UserError(f"{what} {key!r}", nearest(str(key), known))
