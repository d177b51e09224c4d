"""Compiled functions for the CPU: options in one place, and a cache on disk where there can be one."""

from collections.abc import Callable
from typing import Any

import numba

__all__ = ["compiled", "inlined", "part"]

OPTIONS: Any = {
    "nogil": True,
    "fastmath": True,
    "error_model": "numpy",
}  # no lock held; divisions as numpy's, unchecked


def compiled(function: Callable[..., Any]) -> Any:
    """Compile at the first call, for every user of this machine's cache folder only once.

    A package folder and a home that cannot be written to (a container) only cost that time again in each process.
    """
    try:
        return numba.njit(**OPTIONS, cache=True)(function)
    except RuntimeError:  # numba finds no folder to cache in
        return numba.njit(**OPTIONS)(function)


def part(function: Callable[..., Any]) -> Any:
    """A function of compiled functions only, merged into each of its callers.

    Left to itself, LLVM may or may not merge one. If not, whichever machine code of it is loaded first serves all, and
    code just compiled and code from the cache differ in the last bit of a pixel.
    """
    return numba.njit(**OPTIONS, forceinline=True)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """A part of compiled functions, with no call left of it."""
    return numba.njit(**OPTIONS, inline="always")(function)
