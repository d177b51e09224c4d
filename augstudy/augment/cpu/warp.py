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

F = np.float32
HALF, ZERO, ONE, TWO = F(0.5), F(0), F(1), F(2)
compiled = numba.njit(nogil=True, fastmath=True, error_model="numpy", cache=True)
inlined = numba.njit(nogil=True, fastmath=True, error_model="numpy", inline="always")


@inlined
def _fold(x: Any, size: Any) -> Any:
    """Mirror a coordinate at 0 and at `size`."""
    x = x - TWO * size * np.floor(x / (TWO * size))
    return min(x, TWO * size - x)


@inlined
def _bilinear(image: Any, x: Any, y: Any, right: Any, bottom: Any, weight: Any) -> Any:
    """The pixel at (x, y), centres at +0.5, the edge repeated beyond it; `right` and `bottom` are the last indices."""
    x = min(max(x - HALF, ZERO), F(right))
    y = min(max(y - HALF, ZERO), F(bottom))
    left, top = min(np.int64(x), max(right - 1, 0)), min(np.int64(y), max(bottom - 1, 0))
    u, v = x - F(left), y - F(top)
    l1, t1 = min(left + 1, right), min(top + 1, bottom)
    w11 = u * v * weight
    w10, w01 = v * weight - w11, u * weight - w11
    w00 = weight - w01 - w10 - w11
    return (
        w00 * image[top, left, 0] + w01 * image[top, l1, 0] + w10 * image[t1, left, 0] + w11 * image[t1, l1, 0],
        w00 * image[top, left, 1] + w01 * image[top, l1, 1] + w10 * image[t1, left, 1] + w11 * image[t1, l1, 1],
        w00 * image[top, left, 2] + w01 * image[top, l1, 2] + w10 * image[t1, left, 2] + w11 * image[t1, l1, 2],
    )


@inlined
def _taps(
    image: Any, x: Any, y: Any, along: Any, across: Any, n: int, m: int, fold: bool, extent: Any, weight: Any
) -> Any:
    """The mean of m x n reads spread over the footprint of one output pixel."""
    right, bottom = image.shape[1] - 1, image.shape[0] - 1
    share = weight / F(n * m)
    r, g, b = ZERO, ZERO, ZERO
    for j in range(m):
        s = (F(j) + HALF) / F(m) - HALF
        for i in range(n):
            t = (F(i) + HALF) / F(n) - HALF
            px, py = x + t * along[0] + s * across[0], y + t * along[1] + s * across[1]
            if fold:
                px, py = _fold(px, extent[0]), _fold(py, extent[1])
            p = _bilinear(image, px, py, right, bottom, share)
            r, g, b = r + p[0], g + p[1], b + p[2]
    return r, g, b


@compiled
def warp(
    level: NDArray[Any],
    owner: NDArray[np.int64],
    matrix: NDArray[np.float32],
    along: NDArray[np.float32],
    across: NDArray[np.float32],
    taps: NDArray[np.int64],
    border: NDArray[np.int64],
    extent: NDArray[np.float32],
    scale: float,
    rows: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    """Read the samples `rows` of a batch from one level.

    Args:
        level: (M, H, W, 3) uint8 or float32.
        owner: (B,) which image each sample reads.
        matrix: (B, 2, 3) from output pixels to pixels of this level.
        along, across: (B, 2) axes of an output pixel's footprint in pixels of this level.
        taps: (B, 2) reads along and across.
        border: (B,) one of `BORDERS`.
        extent: (B, 2) width and height of the whole image in pixels of this level, of which the level may have lost a
            part of the last column or row.
        scale: what a value of the level is multiplied by (1/255 for uint8).
        rows: samples to read.
        out: (B, 3, h, w), its `rows` are overwritten.
    """
    height, width = out.shape[2], out.shape[3]
    weight = F(scale)
    for b in rows:
        image, n, m, edge = level[owner[b]], taps[b, 0], taps[b, 1], border[b]
        right, bottom = image.shape[1] - 1, image.shape[0] - 1
        a, d = matrix[b, 0, 0], matrix[b, 1, 0]
        for yy in range(height):
            v = F(yy) + HALF
            x0 = matrix[b, 0, 1] * v + matrix[b, 0, 2]
            y0 = matrix[b, 1, 1] * v + matrix[b, 1, 2]
            if n * m == 1 and edge == 0:
                for xx in range(width):
                    u = F(xx) + HALF
                    p = _bilinear(image, a * u + x0, d * u + y0, right, bottom, weight)
                    out[b, 0, yy, xx], out[b, 1, yy, xx], out[b, 2, yy, xx] = p
            else:
                for xx in range(width):
                    u = F(xx) + HALF
                    x, y = a * u + x0, d * u + y0
                    p = _taps(image, x, y, along[b], across[b], n, m, edge == 1, extent[b], weight)
                    if edge == 2 and (x < ZERO or y < ZERO or x > extent[b, 0] or y > extent[b, 1]):
                        p = (ZERO, ZERO, ZERO)
                    out[b, 0, yy, xx], out[b, 1, yy, xx], out[b, 2, yy, xx] = p
