"""A page of units: for each the picture that maximises it and the crops that excite it most."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from augstudy.show.grids import grid_page

__all__ = ["neuron_page"]

Pixels = np.ndarray[Any, np.dtype[Any]]


def neuron_page(
    name: str,
    layer: str,
    units: Sequence[int],
    made: Pixels,
    answers: Sequence[float],
    crops: Sequence[tuple[Pixels, Sequence[float]]],
    looked_at: str,
    settings: str,
    width: float = 7.0,
) -> Figure:
    """One line a unit, each picture with the unit's largest response to it above.

    Args:
        name, layer, units: of the encoder.
        made, answers: (U, h, w, 3) uint8, and the response to each.
        crops: for each unit (shown, h, w, 3) uint8 and their responses; empty without a corpus.
        looked_at: what they were chosen from.
        settings: how the pictures were made.
        width: inches.
    """
    lines = []
    for number, unit in enumerate(units):
        pictures = [(f"made: {answers[number]:.1f}", made[number] / 255)]
        if crops:
            pixels, values = crops[number]
            pictures += [(f"{value:.1f}", crop / 255) for value, crop in zip(values, pixels, strict=True)]
        lines.append((f"unit {unit}", pictures))
    text = f"Left: a picture that maximises the unit's mean response, {settings}."
    if crops:
        text += f" Then the crops of {looked_at} that excite it most."
    text += " Above each: the unit's largest response over all places; 0.0 is silence."
    return grid_page(f"{name}: units of {layer}", text, lines, width)
