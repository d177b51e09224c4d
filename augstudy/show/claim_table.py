"""Verdicts on a study's claims as a table, in Markdown and on a terminal."""

import math
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from augstudy.show.markdown import escaped, pipes
from augstudy.show.verdicts import CONTRADICTED, HOLDS

__all__ = ["claim_blocks", "rich_claims"]

_HEADER = ["claim", "verdict", "difference", "95 % interval", "bound", "n"]
_TEXTS = 2  # of its columns hold words, the others numbers
_COLOURS = {HOLDS: "green", CONTRADICTED: "red"}
_HOW = (
    "Differences are paired by seed, the interval is Student's t. A claim holds if its interval lies above the bound, "
    "is contradicted if it lies below, and is not shown otherwise. Nothing is corrected for the number of claims."
)


def claim_blocks(claims: pd.DataFrame) -> list[str]:
    """Blocks of Markdown: heading, table, how to read it, and which claims could not be judged."""
    lines = [[escaped(cell) for cell in _cells(line)] for line in claims.itertuples()]
    reasons = "\n".join(f"- {escaped(reason)}" for reason in _reasons(claims))
    return ["## Claims", pipes(_HEADER, lines, texts=_TEXTS), _HOW, *([reasons] if reasons else [])]


def rich_claims(claims: pd.DataFrame) -> Table:
    """The same for a terminal."""
    caption = Text("\n".join([_HOW, *_reasons(claims)]))
    table = Table(title="Claims", caption=caption, caption_justify="left")
    for number, name in enumerate(_HEADER):
        table.add_column(Text(name), justify="left" if number < _TEXTS else "right", no_wrap=number > 0)
    for line in claims.itertuples():
        say, verdict, *numbers = _cells(line)
        table.add_row(Text(say), Text(verdict, _COLOURS.get(verdict, "")), *map(Text, numbers))
    return table


def _cells(line: Any) -> list[str]:
    """One verdict; a difference of accuracies is in points of a per cent."""
    digits, unit = (2, " points") if line.metric.startswith("top") else (3, "")
    difference = "-" if math.isnan(line.difference) else f"{line.difference:+.{digits}f}{unit}"
    interval = "-" if math.isnan(line.low) else f"{line.low:+.{digits}f} to {line.high:+.{digits}f}"
    return [line.claim, line.verdict, difference, interval, f"{line.bound:g}", str(line.n)]


def _reasons(claims: pd.DataFrame) -> list[str]:
    """Each reason once, before the claims that it keeps from being judged."""
    groups = claims[claims["reason"] != ""].groupby("reason", sort=False)["claim"]
    return [
        f"No claim was judged: {reason}." if len(found) == len(claims) > 1 else f"Not judged ({reason}): {listed}."
        for reason, found in groups
        for listed in ["; ".join(found)]
    ]
