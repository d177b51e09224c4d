"""First layers in numbers, for a terminal."""

from collections.abc import Sequence

import numpy as np
from rich.markup import escape
from rich.table import Table

from augstudy.show.first_layer import ANGLES, FREQUENCIES, Array, statistics

__all__ = ["filter_table"]


def filter_table(banks: Sequence[tuple[str, Array]]) -> Table:
    """One line an encoder: filters, shares, and both histograms in per cent."""
    table = Table("encoder", box=None, header_style="bold", pad_edge=False)
    for name in ("filters", "coloured", "dead", "duplicate"):
        table.add_column(name, justify="right")
    table.add_column(f"% at {', '.join(f'{a:g}' for a in ANGLES)} degrees", overflow="fold")
    table.add_column(f"% from {FREQUENCIES[0]:g} to {FREQUENCIES[-1]:g} cycles/px", overflow="fold")
    for name, filters in banks:
        n = statistics(filters)
        shares = ["-" if np.isnan(s) else f"{100 * s:.0f} %" for s in (n.coloured, n.dead, n.duplicate)]
        both = [" ".join(f"{100 * s:2.0f}" for s in histogram) for histogram in (n.orientation, n.frequency)]
        table.add_row(escape(name), str(n.count), *shares, *both)
    return table
