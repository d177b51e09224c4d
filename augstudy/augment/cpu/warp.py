"""The affine warp on the CPU: one compiled pass from a pyramid level to planar pixels.

It reads what `sampler.Pyramid` reads with torch's grid_sample, several times as fast: positions are computed as they
are needed, the three channels of a pixel lie side by side, and nothing is written but the result.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["BORDERS", "warp"]

BORDERS = {"inside": 0, "reflect": 1, "black": 2}

F, U = np.float32, np.uintp  # indices without a sign need no check for negative ones
HALF, ZERO, TWO = F(0.5), F(0), F(2)
U1, U2, U3, U4, U5 = U(1), U(2), U(3), U(4), U(5)
compiled = numba.njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
inlined = numba.njit(nogil=True, fastmath=True, error_model="numpy", inline="always")


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


@compiled
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


@compiled
def warp(
    level: NDArray[np.float32],
    scale: float,
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
        scale: what a value of the level is multiplied by (1/255 for bytes).
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
    right, bottom, stride = level.shape[2] - 1, level.shape[1] - 1, U(level.shape[2] * 3)
    for b in rows:
        flat, n, m, edge = level[owner[b]].reshape(-1), taps[b, 0], taps[b, 1], border[b]
        within = edge == 0 and _is_within(matrix[b], along[b], across[b], height, width, right, bottom)
        weight = F(scale) / F(n * m)
        a, d = matrix[b, 0, 0], matrix[b, 1, 0]
        for yy in range(height):
            v = F(yy) + HALF
            x0 = matrix[b, 0, 1] * v + matrix[b, 0, 2]
            y0 = matrix[b, 1, 1] * v + matrix[b, 1, 2]
            for j in range(m):
                for i in range(n):
                    t, s = (F(i) + HALF) / F(n) - HALF, (F(j) + HALF) / F(m) - HALF
                    tx = x0 + t * along[b, 0] + s * across[b, 0]
                    ty = y0 + t * along[b, 1] + s * across[b, 1]
                    first = i + j == 0
                    for xx in range(width):
                        u = F(xx) + HALF
                        x, y = a * u + tx, d * u + ty
                        if within:
                            p = _within(flat, x, y, stride, weight)
                        else:
                            if edge == 1:
                                x, y = _fold(x, extent[b, 0]), _fold(y, extent[b, 1])
                            p = _anywhere(flat, x, y, stride, right, bottom, weight)
                        if first:
                            out[b, 0, yy, xx], out[b, 1, yy, xx], out[b, 2, yy, xx] = p
                        else:
                            out[b, 0, yy, xx] += p[0]
                            out[b, 1, yy, xx] += p[1]
                            out[b, 2, yy, xx] += p[2]
            if edge == 2:
                for xx in range(width):
                    x, y = a * (F(xx) + HALF) + x0, d * (F(xx) + HALF) + y0
                    if x < ZERO or y < ZERO or x > extent[b, 0] or y > extent[b, 1]:
                        out[b, 0, yy, xx], out[b, 1, yy, xx], out[b, 2, yy, xx] = ZERO, ZERO, ZERO
