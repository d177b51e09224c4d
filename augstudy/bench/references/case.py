"""One op, or a run of them, with the same made of torchvision's and of kornia's public functions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from augstudy.augment.base import Op
from augstudy.augment.views.ops import catalogue
from augstudy.core.build import settings

__all__ = ["Case", "Reference", "one"]

Reference = Callable[[Any, Tensor, Any], Tensor]  # op, (1, 3, h, w), (1, ...) parameters -> (1, 3, h', w')


@dataclass(frozen=True)
class Case:
    """One row of the table: ops, settings of theirs, and the same with torchvision's and kornia's functions.

    Args:
        ops: names in a study; several geometry ops are one warp, held against the references one after the other.
        settings: of the only op.
        torchvision, kornia: None where the library has no such thing, or draws at random what ours draws by key.
        note: what is compared, if it is not plain.
    """

    ops: tuple[str, ...]
    settings: dict[str, Any]
    torchvision: Reference | None = None
    kornia: Reference | None = None
    note: str = ""

    @property
    def parts(self) -> list[Op]:
        """The ops themselves, always on."""
        small = [{"size": 48} if "size" in settings(catalogue()[name]) else {} for name in self.ops]
        return [catalogue()[name](p=1.0, **own, **self.settings) for name, own in zip(self.ops, small, strict=True)]


def one(params: Tensor) -> float:
    """The only parameter of the only sample."""
    return float(params.flatten()[0])
