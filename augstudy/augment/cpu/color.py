"""Colour jitter on the CPU: all steps of a sample in two sweeps over its pixels, a block in cache at a time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from augstudy.core.native import compiled, inlined, part

__all__ = ["grayscale", "jitter"]

F = np.float32
ZERO, ONE = F(0), F(1)
RED, GREEN, BLUE = F(0.299), F(0.587), F(0.114)  # ITU-R 601-2
BLOCK = 2048  # pixels: three channels of float32 stay in a 32 KiB cache


@inlined
def _clip(x: Any) -> Any:
    return min(max(x, ZERO), ONE)


@inlined
def _turned(corner: Any, sixths: Any, value: Any, chroma: Any) -> Any:
    k = sixths + corner
    k = k - F(6) * np.floor(k * F(1 / 6))
    return value - chroma * _clip(min(k, F(4) - k))


@part
def _step(step: int, f: Any, grey: Any, r: Any, g: Any, b: Any) -> None:
    """One step on a block, in place; `grey` is the mean luma that contrast pulls towards."""
    if step == 0:
        for i in range(len(r)):
            r[i], g[i], b[i] = _clip(f * r[i]), _clip(f * g[i]), _clip(f * b[i])
    elif step == 1:
        base = (ONE - f) * grey
        for i in range(len(r)):
            r[i], g[i], b[i] = _clip(f * r[i] + base), _clip(f * g[i] + base), _clip(f * b[i] + base)
    elif step == 2:
        for i in range(len(r)):
            base = (ONE - f) * (RED * r[i] + GREEN * g[i] + BLUE * b[i])
            r[i], g[i], b[i] = _clip(f * r[i] + base), _clip(f * g[i] + base), _clip(f * b[i] + base)
    else:
        for i in range(len(r)):
            x, y, z = r[i], g[i], b[i]
            value = max(x, max(y, z))
            chroma = value - min(x, min(y, z))
            scale = ONE / max(chroma, F(1e-12))
            red, green, blue = (y - z) * scale, F(2) + (z - x) * scale, F(4) + (x - y) * scale
            sixths = (red if value == x else (green if value == y else blue)) + F(6) * f
            r[i] = _turned(F(5), sixths, value, chroma)
            g[i] = _turned(F(3), sixths, value, chroma)
            b[i] = _turned(F(1), sixths, value, chroma)


@part
def _luma(r: Any, g: Any, b: Any) -> Any:
    total = ZERO
    for i in range(len(r)):
        total += RED * r[i] + GREEN * g[i] + BLUE * b[i]
    return total


@part
def _between(x: Any, params: Any, order: Any, first: int, last: int, grey: Any) -> float:
    """Steps `first` to `last` of the order on one picture (3, pixels); gives its mean luma afterwards."""
    total = 0.0
    pixels = x.shape[1]
    for start in range(0, pixels, BLOCK):
        end = min(start + BLOCK, pixels)
        r, g, b = x[0, start:end], x[1, start:end], x[2, start:end]
        for place in range(first, last):
            _step(order[place], params[order[place]], grey, r, g, b)
        total += _luma(r, g, b)
    return total / pixels


@compiled
def jitter(x: NDArray[np.float32], params: NDArray[np.float32], order: NDArray[np.int64], rows: Any) -> None:
    """Brightness, contrast, saturation and hue of the samples `rows`, in place.

    Args:
        x: (B, 3, pixels) in [0, 1].
        params: (B, 4) three factors, and the hue's turn.
        order: (B, 4) which step comes when; -1 ends it.
        rows: samples to change.
    """
    for b in rows:
        steps = 0
        while steps < 4 and order[b, steps] >= 0:
            steps += 1
        at = steps
        for place in range(steps):
            if order[b, place] == 1:
                at = place
        grey = ZERO
        if at < steps:  # contrast pulls towards the mean of what the steps before it leave
            grey = F(_between(x[b], params[b], order[b], 0, at, ZERO))
            _between(x[b], params[b], order[b], at, steps, grey)
        else:
            _between(x[b], params[b], order[b], 0, steps, ZERO)


@compiled
def grayscale(x: NDArray[np.float32], rows: NDArray[np.int64]) -> None:
    """Luma in all three channels of the samples `rows` of (B, 3, pixels), in place."""
    for b in rows:
        for i in range(x.shape[2]):
            luma = RED * x[b, 0, i] + GREEN * x[b, 1, i] + BLUE * x[b, 2, i]
            x[b, 0, i], x[b, 1, i], x[b, 2, i] = luma, luma, luma
