"""Text and tables as Markdown that shows them as they are."""

import re
from itertools import zip_longest

__all__ = ["escaped", "pipes"]


def pipes(header: list[str], lines: list[list[str]], texts: int) -> str:
    """A GitHub table that also reads as plain text; the first `texts` columns are words, the rest are numbers."""
    widths = [max(3, *map(len, column)) for column in zip_longest(header, *lines, fillvalue="")]
    rules = ["-" * w if i < texts else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    aligned = [
        [c.ljust(w) if i < texts else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))]
        for line in (header, *lines)
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in (aligned[0], rules, *aligned[1:]))


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no new cell, no new line."""
    flat = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # An underscore inside a word is not markup and stays legible in the plain text.
    return re.sub(r"([\\`*|\[\]~]|(?<!\w)_|_(?!\w))", r"\\\1", flat)
