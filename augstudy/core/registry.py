"""Registration by place: a module `augstudy.<room>.<name>` whose `__all__` names the part is the registration."""

import ast
import importlib
import pkgutil
from pathlib import Path
from typing import Any

from augstudy.core.errors import UserError, nearest

__all__ = ["find", "names", "summary"]


def names(room: str) -> list[str]:
    """All part names of a room such as `learn.methods`, sorted; `base` is the contract, not a part."""
    package = importlib.import_module(f"augstudy.{room}")
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name != "base" and not m.ispkg)


def summary(room: str, name: str) -> str:
    """The first line of a part's docstring, read without importing what the part needs."""
    package = importlib.import_module(f"augstudy.{room}")
    tree = ast.parse((Path(package.__path__[0]) / f"{name}.py").read_text(encoding="utf-8"))
    exported = next(n.value for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__")
    first = ast.literal_eval(exported)[0]
    part = next(n for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef) and n.name == first)
    return (ast.get_docstring(part) or "").partition("\n")[0]


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
