"""Lists for a terminal: what `check` and `bench` found."""

from typing import Any

from rich.markup import escape
from rich.table import Table

__all__ = ["comparison", "listing"]


def listing(path: str, rows: list[dict[str, Any]]) -> Table:
    """What `check` found, one line a row of the study."""
    found = Table(title=path)
    for column in rows[0]:
        found.add_column(column, justify="left" if column in ("row", "method") else "right", overflow="fold")
    for row in rows:
        found.add_row(*(f"{v:,}" if isinstance(v, int) else escape(str(v)) for v in row.values()))
    return found


def comparison(name: str, records: list[dict[str, Any]]) -> Table:
    """What `bench` found, one line a comparison; what all lines share stands below."""
    first = records[0]
    shared = [k for k, v in first.items() if not isinstance(v, float) and all(r[k] == v for r in records)]
    rows = [{k.replace("_", " "): readable(v) for k, v in record.items() if k not in shared} for record in records]
    found = listing(f"bench {name}", rows)
    found.caption = escape(", ".join(f"{k} {first[k]}" for k in shared if k != "bench"))
    return found


def readable(value: Any) -> Any:
    """Rates with thousands parted, ratios and decibels as they are."""
    return round(value) if isinstance(value, float) and value >= 100 else value
