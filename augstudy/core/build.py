"""From a YAML node to a part: the part's dataclass fields are its schema."""

import dataclasses
import numbers
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from augstudy.core.errors import UserError, nearest
from augstudy.core.plain import check_plain

__all__ = ["build", "check_choice", "check_interval", "check_range", "check_types", "settings"]

KINDS: dict[Any, tuple[type, str]] = {
    bool: (bool, "true or false"),
    int: (numbers.Integral, "a whole number"),
    float: (numbers.Real, "a number"),
    str: (str, "a word"),
}

T = TypeVar("T", bound="Part")


class Part(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


def settings(cls: type[Part]) -> list[str]:
    """The names of a part's settings."""
    return [f.name for f in dataclasses.fields(cls) if f.init]


def build(cls: type[T], node: Mapping[str, Any], where: str) -> T:
    """An instance of the dataclass `cls` with the settings in `node`, the rest at their defaults.

    Args:
        where: the file and key that the node came from, for the error.

    Raises:
        UserError: an unknown key (with the nearest right one), a wrong type, or a value out of range.
    """
    known = settings(cls)
    check_plain(dict(node), where)
    for key in node:
        if key not in known:
            raise UserError(f"{where}: unknown key {key!r}", nearest(str(key), known))
    try:
        values = OmegaConf.to_container(OmegaConf.merge(_schema(cls), dict(node)), resolve=True, throw_on_missing=True)
        assert isinstance(values, dict)
        return cls(**{f.name: _as_declared(f.type, values[f.name]) for f in dataclasses.fields(cls) if f.init})
    except ConfigKeyError as error:
        raise UserError(f"{where}: {_first_line(error)}", f"Known keys: {', '.join(known)}.") from None
    except OmegaConfBaseException as error:
        key = error.full_key or _refused(cls, node)
        raise UserError(f"{where}: {key}: {_first_line(error)}", f"Give {key} a value of the right type.") from None
    except UserError as error:
        raise error.at(where) from None


@cache
def _schema(cls: type[Part]) -> Any:
    """A part's fields as OmegaConf knows them; merging copies it. A study of 1,000 runs builds 6,000 parts."""
    return OmegaConf.structured(cls)


def _refused(cls: type[Part], node: Mapping[str, Any]) -> str:
    """The key whose value OmegaConf refuses, which it does not always name itself."""
    for key, value in node.items():
        try:
            OmegaConf.to_container(OmegaConf.merge(_schema(cls), {key: value}), resolve=True)
        except OmegaConfBaseException:
            return key
    return "?"


def _as_declared(kind: Any, value: Any) -> Any:
    """OmegaConf hands tuples back as lists of unchecked length; a field annotated as a tuple gets a tuple again."""
    if isinstance(value, list) and getattr(kind, "__origin__", None) is tuple:
        return tuple(value)
    return value


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def check_types(part: Part) -> None:
    """Raises UserError where a setting given from Python is of another kind than its field: `build` checks YAML alike.

    Fields of numbers, truth values, words, and tuples of them are looked at.
    """
    for name, kind in declared(type(part)).items():
        value = getattr(part, name)
        if kind in KINDS and not is_a(kind, value):
            raise UserError(f"{name} must be {KINDS[kind][1]}, got {value!r}", f"Give {name} a value of that kind.")
        inner = typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else None
        if inner in KINDS and not (isinstance(value, list | tuple) and all(is_a(inner, one) for one in value)):
            what = f"{name} must be a list, each entry {KINDS[inner][1]}, got {value!r}"
            raise UserError(what, f"Give {name} such a list.")


@cache
def declared(cls: type[Part]) -> dict[str, Any]:
    """The settings of a part with their types."""
    kinds = typing.get_type_hints(cls)
    return {name: kinds[name] for name in settings(cls)}


def is_a(kind: Any, value: Any) -> bool:
    """Whether a value may stand for this kind; a truth value is no number."""
    return isinstance(value, KINDS[kind][0]) and isinstance(value, bool) == (kind is bool)


def check_range(name: str, value: float, low: float, high: float = float("inf")) -> None:
    """Raises UserError unless value is a number and low <= value <= high."""
    if not is_a(float, value):
        raise UserError(f"{name} must be a number, got {value!r}", f"Set {name} to a number.")
    if not low <= value <= high:
        bounds = f"[{low:g}, {high:g}]" if high != float("inf") else f"[{low:g}, inf)"
        raise UserError(f"{name} must lie in {bounds}, got {value:g}", f"Set {name} to a value in that range.")


def check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raises UserError unless the value is one of the known ones."""
    if value not in known:
        raise UserError(f"{name} is {value!r}, which is not one of its choices", nearest(value, known))


def check_interval(name: str, value: tuple[float, ...], low: float, high: float = float("inf")) -> None:
    """Raises UserError unless value is (a, b) with low <= a <= b <= high."""
    pair = isinstance(value, list | tuple) and len(value) == 2 and all(is_a(float, end) for end in value)
    if not pair or value[0] > value[1]:
        shown = list(value) if isinstance(value, tuple) else value
        raise UserError(f"{name} must be two numbers [low, high], got {shown}", f"Set {name} to such a pair.")
    for end in value:
        check_range(name, end, low, high)
