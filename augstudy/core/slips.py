"""What a YAML parser refused, told to a person."""

from pathlib import Path

import yaml

from augstudy.core.errors import UserError

__all__ = ["not_yaml"]

_SLIPS = {  # words of the parser -> what was probably meant; an opening that is not closed is shown where it stands
    "while parsing a flow": "a bracket is not closed by line {line}, or a comma is missing",
    "while scanning a quoted scalar": "a quote is not closed",
    "mapping values are not allowed": "a colon where none may stand (put such text in quotes), or bad indentation",
    "found duplicate key": "this key stands here a second time",
    "found character '\\t'": "a tab: indent with spaces",
    "found undefined alias": "no anchor (&name) of this name stands before it",
    "while parsing a block": "it does not go on as the lines before it: see its indentation, brackets and quotes",
}


def not_yaml(path: Path, error: yaml.YAMLError) -> UserError:
    """What a YAML parser refused: file:line:column and why, then the line itself."""
    mark = getattr(error, "problem_mark", None)
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return UserError(f"{path} is not readable YAML: it has characters that YAML does not know", "Remove them.")
    told, line = f"{error.problem} {error.context}", mark.line + 1
    slip, why = next(((slip, why) for slip, why in _SLIPS.items() if slip in told), ("", "it breaks YAML's grammar"))
    opened = slip in ("while parsing a flow", "while scanning a quoted scalar")
    mark = error.context_mark if opened and error.context_mark else mark
    lines = path.read_text(encoding="utf-8").splitlines()
    row, column = (mark.line, mark.column) if mark.line < len(lines) else (len(lines) - 1, len(lines[-1]))  # at the end
    return UserError(
        f"{path}:{row + 1}:{column + 1}: not readable YAML: {why.format(line=line)}",
        f"Mend this line: {lines[row].strip()}",
    )
