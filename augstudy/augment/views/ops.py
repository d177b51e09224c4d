"""A view written op by op, in the order of a study's list."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import augstudy.augment
from augstudy.augment.base import Op
from augstudy.augment.crops import RandomCrop, RandomResizedCrop
from augstudy.augment.foreign import Kornia
from augstudy.augment.graph import Graph
from augstudy.augment.views.base import View
from augstudy.core.build import build, check_range, settings
from augstudy.core.errors import UserError, nearest

__all__ = ["Ops", "catalogue"]


@cache
def catalogue() -> dict[str, type[Op]]:
    """Every op that a module of `augment/` exports, by its name in a study: ColorJitter is color_jitter."""
    found = {}
    for module in pkgutil.iter_modules(augstudy.augment.__path__):
        if module.ispkg or module.name == "base":
            continue
        home = importlib.import_module(f"augstudy.augment.{module.name}")
        for name in home.__all__:
            part = getattr(home, name)
            if inspect.isclass(part) and issubclass(part, Op):
                found[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()] = part
    return found


@dataclass(frozen=True)
class Ops(View):
    """Any list of ops; `{random_resized_crop: {scale: [0.2, 1]}}` is an op with settings, a bare word one without.

    Args:
        size: side of the view in pixels. Crops that take a size have this one unless they say another. Without such a
            crop the whole frame is resized to it, after the last random_crop or else at the start.
        strength: control variable; multiplies the strength of every op, but not of those that say how a picture is
            written (color_space, channels).
        ops: op name -> its settings, one op an entry. `kornia: {name: ..., p: ..., ...}` takes the arguments of the
            kornia class it names.
    """

    strength: float = 1.0
    ops: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_range("size", self.size, 4, 4096)
        check_range("strength", self.strength, 0)
        side, _ = self.graph().out_size((2 * self.size, 2 * self.size))
        if side != self.size:
            raise UserError(
                f"ops: views come out at {side} px, but size is {self.size}", "Leave the last crop's own size out."
            )

    def graph(self) -> Graph:
        ops = [self._op(entry, f"ops[{number}]") for number, entry in enumerate(self.ops)]
        if not any(hasattr(op, "size") for op in ops):
            start = max((i + 1 for i, op in enumerate(ops) if isinstance(op, RandomCrop)), default=0)
            ops.insert(start, RandomResizedCrop(size=self.size, strength=0))
        return Graph(tuple(ops))

    def _op(self, entry: Any, where: str) -> Op:
        """One entry of the list -> its op, as strong as the family says."""
        node = {entry: {}} if isinstance(entry, str) else entry
        if not isinstance(node, Mapping) or len(node) != 1:
            raise UserError(f"{where} is {entry!r}, not one op", "Write {op: {key: value}}, or the op's name alone.")
        [(name, given)] = node.items()
        if name not in catalogue():
            raise UserError(f"{where}: there is no op {name!r}", nearest(str(name), catalogue()))
        if not isinstance(given, Mapping | None):
            raise UserError(f"{where}: {name} has {given!r} for settings", f"Write {name}: {{key: value}}.")
        cls, where = catalogue()[name], f"{where}: {name}"
        op = build(cls, self._settings(cls, given or {}), where)
        try:
            return op.scaled(self.strength)
        except UserError as error:
            raise error.at(where) from None

    def _settings(self, cls: type[Op], given: Mapping[str, Any]) -> dict[str, Any]:
        if cls is Kornia:
            own = {key: value for key, value in given.items() if key in ("name", "p", "strength")}
            return {**own, "settings": {key: value for key, value in given.items() if key not in own}}
        return {"size": self.size, **given} if "size" in settings(cls) else dict(given)
