"""What a stranger may have written is only data: it looks at nothing on this machine, and steers no terminal."""

import re
from collections.abc import Mapping
from typing import Any

from augstudy.core.errors import UserError

__all__ = ["check_plain"]

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # but tab and line feed


def check_plain(node: Any, where: str) -> None:
    """Raises UserError where any key or text in nested settings names a resolver of OmegaConf or steers a terminal.

    A resolver such as `${oc.env:TOKEN}` would read the environment, and run.yaml, tables and reports would tell of it.
    """
    if isinstance(node, Mapping):
        for key, value in node.items():
            check_plain(key, where)
            check_plain(value, f"{where}: {key}")
    elif isinstance(node, list | tuple):
        for value in node:
            check_plain(value, where)
    elif isinstance(node, str):
        if names_resolver(node):
            fix = "Write the value itself: a study may not read the environment, for its results are handed on."
            raise UserError(f"{where}: {node!r} names a resolver", fix)
        if CONTROL.search(node):
            raise UserError(f"{where}: {node!r} has control characters", "Take them out.")


def names_resolver(text: str) -> bool:
    """Whether `${` has a colon before it is closed: `${oc.env:HOME}`, `${${a}:HOME}`; not `${title}: more`.

    Names hold no brace but of another `${...}` in OmegaConf's grammar, so braces that are counted find what it would.
    An escaped `\\${` counts too, for a text may be read a second time.
    """
    depth = 0  # of braces, from the first `${` on
    for sign in re.findall(r"\$\{|[{}:]", text):
        if sign == ":" and depth:
            return True
        depth += (sign == "${") or (sign == "{" and depth > 0)
        depth -= sign == "}" and depth > 0
    return False
