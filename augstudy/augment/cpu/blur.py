"""Gaussian blur on the CPU: each row once along and once across, vector instructions over its pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from augstudy.core.native import compiled, part

__all__ = ["blur"]

F = np.float32


@part
def _weigh(total: Any, centre: Any, weight: Any) -> None:
    for i in range(len(total)):
        total[i] = weight * centre[i]


@part
def _add_pair(total: Any, before: Any, after: Any, weight: Any) -> None:
    for i in range(len(total)):
        total[i] += weight * (before[i] + after[i])


@part
def _mirror(i: int, size: int) -> int:
    """Index of a neighbour beyond the edge, the edge itself not repeated ("reflect" of torch and kornia)."""
    return abs(i) if i < size else 2 * (size - 1) - i


@part
def _plane(x: Any, half: Any, line: Any, wide: Any) -> None:
    """Blur (h, w) in place; half: weights of the centre and of each distance; line, wide: working memory."""
    height, width = x.shape
    reach = len(half) - 1
    for row in range(height):
        for i in range(-reach, width + reach):
            line[i + reach] = x[row, _mirror(i, width)]
        total = wide[row + reach]
        _weigh(total, line[reach : reach + width], half[0])
        for k in range(1, reach + 1):
            _add_pair(total, line[reach - k : reach - k + width], line[reach + k : reach + k + width], half[k])
    for i in range(1, reach + 1):
        wide[reach - i] = wide[reach + _mirror(-i, height)]
        wide[reach + height - 1 + i] = wide[reach + _mirror(height - 1 + i, height)]
    for row in range(height):
        _weigh(x[row], wide[row + reach], half[0])
        for k in range(1, reach + 1):
            _add_pair(x[row], wide[row + reach - k], wide[row + reach + k], half[k])


@compiled
def blur(x: NDArray[np.float32], sigma: NDArray[np.float32], reach: int, rows: NDArray[np.int64]) -> None:
    """Blur the samples `rows` of (B, C, h, w) in place, with kernels of 2 reach + 1 pixels.

    Args:
        x: (B, C, h, w), h and w above `reach`.
        sigma: (B,) in pixels.
    """
    height, width = x.shape[2], x.shape[3]
    line, wide = np.empty(width + 2 * reach, F), np.empty((height + 2 * reach, width), F)
    half = np.empty(reach + 1, F)
    for b in rows:
        for k in range(reach + 1):
            half[k] = np.exp(-F(k * k) / (F(2) * sigma[b] * sigma[b]))
        half /= half[0] + F(2) * half[1:].sum()
        for c in range(x.shape[1]):
            _plane(x[b, c], half, line, wide)
