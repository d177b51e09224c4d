"""Verdicts on a study's claims as a table, in Markdown and on a terminal."""

import math
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from augstudy.show.markdown import escaped, pipes
from augstudy.show.verdicts import CONTRADICTED, HOLDS

__all__ = ["HEADER", "HOW", "cells", "claim_blocks", "reasons", "rich_claims"]

HEADER = ["claim", "verdict", "difference", "95 % interval", "bound", "n"]
_TEXTS = 2  # of its columns hold words, the others numbers
_COLOURS = {HOLDS: "green", CONTRADICTED: "red"}
HOW = (
    "Differences are paired by seed, the interval is Student's t. A claim holds if its interval lies above the bound, "
    "is contradicted if it lies below, and is not shown otherwise. Nothing is corrected for the number of claims."
)


def claim_blocks(claims: pd.DataFrame) -> list[str]:
    """Blocks of Markdown: heading, table, how to read it, and which claims could not be judged."""
    lines = [[escaped(cell) for cell in cells(line)] for line in claims.itertuples()]
    listed = "\n".join(f"- {escaped(reason)}" for reason in reasons(claims))
    return ["## Claims", pipes(HEADER, lines, texts=_TEXTS), HOW, *([listed] if listed else [])]


def rich_claims(claims: pd.DataFrame) -> Table:
    """The same for a terminal."""
    caption = Text("\n".join([HOW, *reasons(claims)]))
    table = Table(title="Claims", caption=caption, caption_justify="left")
    for number, name in enumerate(HEADER):
        table.add_column(Text(name), justify="left" if number < _TEXTS else "right", no_wrap=number > 0)
    for line in claims.itertuples():
        say, verdict, *numbers = cells(line)
        table.add_row(Text(say), Text(verdict, _COLOURS.get(verdict, "")), *map(Text, numbers))
    return table


def cells(line: Any) -> list[str]:
    """One verdict; a difference of accuracies is in points of a per cent."""
    digits, unit = (2, " points") if line.metric.startswith("top") else (3, "")
    difference = "-" if math.isnan(line.difference) else f"{line.difference:+.{digits}f}{unit}"
    interval = "-" if math.isnan(line.low) else f"{line.low:+.{digits}f} to {line.high:+.{digits}f}"
    return [line.claim, line.verdict, difference, interval, f"{line.bound:g}", str(line.n)]


def reasons(claims: pd.DataFrame) -> list[str]:
    """Each reason once, before the claims that it keeps from being judged."""
    groups = claims[claims["reason"] != ""].groupby("reason", sort=False)["claim"]
    return [
        f"No claim was judged: {reason}." if len(found) == len(claims) > 1 else f"Not judged ({reason}): {listed}."
        for reason, found in groups
        for listed in ["; ".join(found)]
    ]
