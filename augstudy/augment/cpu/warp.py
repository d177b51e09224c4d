"""The affine warp on the CPU: one compiled pass from a pyramid level to planar pixels.

It reads what `sampler.Pyramid` reads with torch's grid_sample, several times as fast: positions are computed as they
are needed, the three channels of a pixel lie side by side, and nothing is written but the result.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from augstudy.core.native import compiled, inlined, part

__all__ = ["BORDERS", "warp"]

BORDERS = {"inside": 0, "reflect": 1, "black": 2}

F, U = np.float32, np.uintp  # indices without a sign need no check for negative ones
HALF, ZERO, ONE, TWO = F(0.5), F(0), F(1), F(2)
NOWHERE = np.zeros(2, F)
U1, U2, U3, U4, U5 = U(1), U(2), U(3), U(4), U(5)


@inlined
def _fold(x: Any, size: Any) -> Any:
    """Mirror a coordinate at 0 and at `size`."""
    x = x - TWO * size * np.floor(x / (TWO * size))
    return min(x, TWO * size - x)


@inlined
def _weights(u: Any, v: Any, weight: Any) -> Any:
    """Shares of the four neighbours of a point, u to the right and v down from the first."""
    both = u * v * weight
    right, down = u * weight - both, v * weight - both
    return weight - right - down - both, right, down, both


@inlined
def _within(flat: Any, x: Any, y: Any, stride: Any, weight: Any) -> Any:
    """The pixel at (x, y), centres at +0.5, all four neighbours known to be there."""
    x, y = x - HALF, y - HALF
    left, top = np.int32(x), np.int32(y)
    a, b, c, d = _weights(x - F(left), y - F(top), weight)
    i = U(top) * stride + U(left) * U3
    j = i + stride
    return (
        a * flat[i] + b * flat[i + U3] + c * flat[j] + d * flat[j + U3],
        a * flat[i + U1] + b * flat[i + U4] + c * flat[j + U1] + d * flat[j + U4],
        a * flat[i + U2] + b * flat[i + U5] + c * flat[j + U2] + d * flat[j + U5],
    )


@inlined
def _anywhere(flat: Any, x: Any, y: Any, stride: Any, right: Any, bottom: Any, weight: Any) -> Any:
    """The same, the edge repeated beyond it; `right` and `bottom` are the last indices."""
    x, y = min(max(x - HALF, ZERO), F(right)), min(max(y - HALF, ZERO), F(bottom))
    left, top = np.int32(x), np.int32(y)
    a, b, c, d = _weights(x - F(left), y - F(top), weight)
    across = U3 if left < right else U(0)
    i = U(top) * stride + U(left) * U3
    j = i + (stride if top < bottom else U(0))
    return (
        a * flat[i] + b * flat[i + across] + c * flat[j] + d * flat[j + across],
        a * flat[i + U1] + b * flat[i + across + U1] + c * flat[j + U1] + d * flat[j + across + U1],
        a * flat[i + U2] + b * flat[i + across + U2] + c * flat[j + U2] + d * flat[j + across + U2],
    )


@part
def _is_within(matrix: Any, along: Any, across: Any, height: int, width: int, right: int, bottom: int) -> bool:
    """Whether no read of a frame of height x width needs a neighbour beyond the level."""
    for axis, last in ((0, right), (1, bottom)):
        reach = HALF * (abs(along[axis]) + abs(across[axis])) + HALF
        for y in (0, height):
            for x in (0, width):
                at = matrix[axis, 0] * F(x) + matrix[axis, 1] * F(y) + matrix[axis, 2]
                if at - reach < ZERO or at + reach > F(last):
                    return False
    return True


@inlined
def _put(line: Any, i: int, pixel: Any, first: bool) -> None:
    if first:
        line[0, i], line[1, i], line[2, i] = pixel
    else:
        line[0, i] += pixel[0]
        line[1, i] += pixel[1]
        line[2, i] += pixel[2]


@part
def _line_within(flat: Any, x: Any, y: Any, step: Any, stride: Any, weight: Any, first: bool, line: Any) -> None:
    """One read of each pixel of a row, all of them inside the level."""
    for i in range(line.shape[1]):
        u = F(i) + HALF
        _put(line, i, _within(flat, step[0] * u + x, step[1] * u + y, stride, weight), first)


@part
def _line_anywhere(
    flat: Any, x: Any, y: Any, step: Any, right: int, bottom: int, fold: Any, weight: Any, first: bool, line: Any
) -> None:
    """One read of each pixel of a row, some perhaps outside; mirrored at `fold` unless that is `NOWHERE`."""
    stride = U(3 * (right + 1))
    for i in range(line.shape[1]):
        u = F(i) + HALF
        px, py = step[0] * u + x, step[1] * u + y
        if fold[0] > ZERO:
            px, py = _fold(px, fold[0]), _fold(py, fold[1])
        _put(line, i, _anywhere(flat, px, py, stride, right, bottom, weight), first)


@part
def _blacken(x0: Any, y0: Any, a: Any, d: Any, extent: Any, line: Any) -> None:
    """Black for the pixels of a row whose centres lie outside the image."""
    for i in range(line.shape[1]):
        x, y = a * (F(i) + HALF) + x0, d * (F(i) + HALF) + y0
        if x < ZERO or y < ZERO or x > extent[0] or y > extent[1]:
            line[:, i] = ZERO


@compiled
def warp(
    level: NDArray[np.float32],
    rows: NDArray[np.int64],
    out: NDArray[np.float32],
    owner: NDArray[np.int64],
    matrix: NDArray[np.float32],
    along: NDArray[np.float32],
    across: NDArray[np.float32],
    taps: NDArray[np.int64],
    border: NDArray[np.int64],
    extent: NDArray[np.float32],
) -> None:
    """Read the samples `rows` of a batch from one level.

    Args:
        level: (M, H, W, 3).
        rows: samples to read.
        out: (B, 3, h, w), its `rows` are overwritten.
        owner: (B,) which image each sample reads.
        matrix: (B, 2, 3) from output pixels to pixels of this level.
        along, across: (B, 2) axes of an output pixel's footprint in pixels of this level.
        taps: (B, 2) reads along and across.
        border: (B,) one of `BORDERS`.
        extent: (B, 2) width and height of the whole image in pixels of this level, of which the level may have lost a
            part of the last column or row.
    """
    height, width = out.shape[2], out.shape[3]
    right, bottom = level.shape[2] - 1, level.shape[1] - 1
    for b in rows:
        flat, n, m, edge = level[owner[b]].reshape(-1), taps[b, 0], taps[b, 1], border[b]
        within = edge == 0 and _is_within(matrix[b], along[b], across[b], height, width, right, bottom)
        for row in range(height):
            v = F(row) + HALF
            x0 = matrix[b, 0, 1] * v + matrix[b, 0, 2]
            y0 = matrix[b, 1, 1] * v + matrix[b, 1, 2]
            for tap in range(n * m):
                t, s = (F(tap % n) + HALF) / F(n) - HALF, (F(tap // n) + HALF) / F(m) - HALF
                x = x0 + t * along[b, 0] + s * across[b, 0]
                y = y0 + t * along[b, 1] + s * across[b, 1]
                step = (matrix[b, 0, 0], matrix[b, 1, 0])
                if within:
                    _line_within(flat, x, y, step, U(3 * (right + 1)), ONE / F(n * m), tap == 0, out[b, :, row])
                else:
                    fold = extent[b] if edge == 1 else NOWHERE
                    _line_anywhere(flat, x, y, step, right, bottom, fold, ONE / F(n * m), tap == 0, out[b, :, row])
            if edge == 2:
                _blacken(x0, y0, matrix[b, 0, 0], matrix[b, 1, 0], extent[b], out[b, :, row])
