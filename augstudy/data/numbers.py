"""Numbers of crops or images as users give them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["Numbers", "numbered"]

Numbers = Tensor | Sequence[int]


def numbered(index: Any, stop: int | None = None) -> Tensor:
    """A list, a range, an array or a tensor of numbers from 0 on as (B,) int64 on the CPU; B may be 0.

    Args:
        stop: numbers must be below it; None for no bound.

    Raises:
        TypeError: it is not a list of whole numbers.
        IndexError: a number is negative, or not below `stop`.
    """
    found = index if isinstance(index, Tensor) else tensor_of(index)
    if found.ndim != 1:
        raise TypeError(f"an index is a list of numbers, (B,), and not of shape {tuple(found.shape)}")
    if found.dtype.is_floating_point or found.dtype.is_complex or found.dtype == torch.bool:
        raise TypeError(f"an index is of whole numbers, and not of {found.dtype}")
    found = found.long().cpu()
    if len(found) and (found.min() < 0 or (stop is not None and found.max() >= stop)):
        wrong = next(i for i in found.tolist() if i < 0 or (stop is not None and i >= stop))
        raise IndexError(f"number {wrong} is negative" if wrong < 0 else f"number {wrong} is not below {stop}")
    return found


def tensor_of(index: Any) -> Tensor:
    """Of something that is no tensor; an empty list is one of whole numbers."""
    try:
        if isinstance(index, range):
            return torch.arange(index.start, index.stop, index.step) if len(index) else torch.arange(0)
        found = torch.as_tensor(index)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise TypeError(f"an index is a list of whole numbers, and not {type(index).__name__} ({error})") from None
    return found if found.numel() else found.long()
