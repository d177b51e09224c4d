"""Registration by place: a module `augstudy.<room>.<name>` whose `__all__` names the part is the registration."""

import importlib
import pkgutil
from typing import Any

from augstudy.core.errors import UserError, nearest

__all__ = ["find", "names"]


def names(room: str) -> list[str]:
    """All part names of a room such as `learn.methods`, sorted; `base` is the contract, not a part."""
    package = importlib.import_module(f"augstudy.{room}")
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name != "base" and not m.ispkg)


def find(room: str, name: str) -> Any:
    """The part called `name`: the first entry of its module's `__all__`.

    Raises:
        UserError: no such part; the known names are listed, the nearest first.
    """
    known = names(room)
    if name not in known:
        kind = room.rsplit(".", 1)[-1].removesuffix("s")
        raise UserError(f"unknown {kind} {name!r}", nearest(name, known))
    module = importlib.import_module(f"augstudy.{room}.{name}")
    return getattr(module, module.__all__[0])
