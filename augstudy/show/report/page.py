"""One self-contained HTML page of a study, or of several side by side: no network, no framework, no build step."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from augstudy.core.errors import UserError
from augstudy.core.store import digest, write_text
from augstudy.show.base import Results
from augstudy.show.claim_table import HOW
from augstudy.show.report.facts import told

__all__ = ["compare", "is_drawn", "write"]

TEMPLATES = Path(__file__).parent / "templates"
HEAD = 4096  # characters in which a page has said what it was drawn from


def write(results: Results, path: Path | None = None) -> Path:
    """Write a study's report; equal results and figures give equal bytes.

    Args:
        path: where it goes; report.html in the study's folder unless told.
    """
    path = path or results.folder.report
    page = _environment().get_template("study.html")
    write_text(path, page.render(study=told(results), drawn_from=_stamp(results)))
    return path


def is_drawn(results: Results) -> bool:
    """Whether a study's report, which is written after its figures, was drawn from what results say now."""
    report = results.folder.report
    if not report.exists():
        return False
    with report.open(encoding="utf-8", errors="replace") as file:
        return f'content="{_stamp(results)}"' in file.read(HEAD)


def _stamp(results: Results) -> str:
    """Of all that figures show; the command is another where a folder was moved to."""
    index = {key: value for key, value in results.index.items() if key != "command"}
    return digest(repr((index, sorted(results.records.items()))))


def compare(studies: Sequence[Results], path: Path) -> Path:
    """Write one page with studies side by side: what became of each claim, main figures, tables.

    Raises:
        UserError: there is but one study.
    """
    if len(studies) < 2:
        raise UserError("one study has nothing to be compared with", "Name two: augstudy report --compare ONE OTHER.")
    said = [told(results) for results in studies]
    for study, name in zip(said, _names(studies), strict=True):
        study["name"] = name
    write_text(path, _environment().get_template("compare.html").render(studies=said, claims=_matched(said)))
    return path


def _names(studies: Sequence[Results]) -> list[str]:
    """A name for each study: its folder's, and where two have one name, that of the folder around it too."""
    places = [results.folder.path.absolute() for results in studies]
    names = [place.name for place in places]
    return [f"{p.parent.name}/{name}" if names.count(name) > 1 else name for name, p in zip(names, places, strict=True)]


def _matched(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each claim that any of the studies makes, with its line in each of them or None."""
    lines = [{line["claim"]: line for line in (study["claims"] or {"lines": []})["lines"]} for study in said]
    return [
        {"claim": claim, "lines": [found.get(claim) for found in lines]}
        for claim in dict.fromkeys(c for f in lines for c in f)
    ]


@cache
def _environment() -> Environment:
    """Templates of this folder; every value is escaped, and a value that is not there is an error.

    SCRIPT is the one script that a browser may run.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = environment.get_template("page.js").render()
    name = f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
    environment.globals |= {"HOW": HOW, "SCRIPT": name}
    environment.filters["duration"] = _duration
    return environment


def _duration(seconds: float) -> str:
    """Seconds in the unit that a person would say: 0.4 s, 12 min, 3.2 h."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
