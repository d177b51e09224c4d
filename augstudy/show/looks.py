"""How a row looks in every figure of a study, and labels that keep clear of one another."""

import math
from typing import Any, NamedTuple

import numpy as np

from augstudy.show.base import Results
from augstudy.show.style import GREY, INK, LINE, SMALL, line_look

__all__ = ["Look", "label_height", "looks", "reference", "spaced"]


class Look(NamedTuple):
    """Colour, marker and dash of a row's line."""

    colour: str
    marker: str
    dash: str


_REFERENCES = {"random": Look(GREY, ".", ":"), "supervised": Look(INK, ".", "--")}


def reference(method: str) -> Look | None:
    """The look of rows that others are compared with, `random` and `supervised`; None for any other method."""
    return _REFERENCES.get(method)


def looks(results: Results) -> dict[tuple[Any, ...], Look]:
    """Key of a row -> its look, the same in every figure: references grey and dotted or black and dashed."""
    found: dict[tuple[Any, ...], Look] = {}
    position = 0
    for row in results.distinct_rows:
        if row.is_reference:
            found[row.key] = _REFERENCES[row.method]
        else:
            found[row.key] = Look(*line_look(position), "-")
            position += 1
    return found


def label_height(label: str) -> float:
    """Inches that a label of some lines takes up, with the white between it and the next."""
    return (label.count("\n") + 1) * SMALL * LINE + 0.03


def spaced(wanted: list[float], heights: list[float], room: float) -> list[float]:
    """Centres as near as may be to the wanted ones such that no two labels overlap, all inches from the bottom.

    Neighbours that would overlap form a block whose centre is the mean of what its members want; blocks that meet
    join (the pool-adjacent-violators rule, so the squared displacement is least).
    """
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    blocks: list[tuple[list[int], float]] = []  # members from the bottom up, lower edge
    for i in order:
        members, edge = [i], _edge([i], wanted, heights, room)
        while blocks and blocks[-1][1] + sum(heights[j] for j in blocks[-1][0]) > edge:
            members = blocks.pop()[0] + members
            edge = _edge(members, wanted, heights, room)
        blocks.append((members, edge))
    centres = [math.nan] * len(wanted)
    for members, edge in blocks:
        for j in members:
            centres[j] = edge + heights[j] / 2
            edge += heights[j]
    return centres


def _edge(members: list[int], wanted: list[float], heights: list[float], room: float) -> float:
    """The lower edge of a block that moves its members least and stays on the panel."""
    below = np.cumsum([0.0] + [heights[j] for j in members])
    ideal = float(np.mean([wanted[j] - below[k] - heights[j] / 2 for k, j in enumerate(members)]))
    return max(0.0, min(ideal, room - float(below[-1])))
