"""Any augmentation class of kornia as an op: unfused, and with randomness keyed like ours."""

import inspect
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import kornia.augmentation as kornia_augmentation
import torch
from kornia.augmentation._2d.base import AugmentationBase2D
from torch import Tensor

from augstudy.augment.base import FilterOp
from augstudy.core.errors import UserError, nearest
from augstudy.core.rng import torch_seeded

__all__ = ["Kornia"]


@cache
def _classes() -> dict[str, type]:
    """Name -> class of every 2-D augmentation that kornia exports."""
    found = {name: getattr(kornia_augmentation, name) for name in kornia_augmentation.__all__}
    return {
        name: cls
        for name, cls in found.items()
        if inspect.isclass(cls) and issubclass(cls, AugmentationBase2D) and "Base" not in name
    }


def _plain(value: Any) -> Any:
    """kornia tells tuples from lists; YAML has lists only."""
    return tuple(_plain(v) for v in value) if isinstance(value, list | tuple) else value


@dataclass(frozen=True)
class Kornia(FilterOp):
    """One of kornia's 2-D augmentations, by its class's name.

    It runs on one sample at a time, with torch's generator forked and seeded from two uniforms of that sample: the
    result depends on neither batch nor history, and the global generator is left as it was. The price is one pass
    through kornia's wrapper for each touched sample, 1 to 6 ms at 32 px on a CPU, and on a GPU a wait for
    the device. Geometry classes run too, each with an interpolation of its own, as nothing can be fused with them.
    Strength scales how often it acts.

    Args:
        name: such as "RandomPlasmaShadow".
        settings: its arguments; `p` is the op's own.
    """

    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    on_or_off = True
    draws = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name not in _classes():
            raise UserError(f"kornia has no 2-D augmentation {self.name!r}", nearest(self.name, _classes()))
        known = [k for k in inspect.signature(_classes()[self.name]).parameters if k not in ("p", "p_batch")]
        for key in self.settings:
            if key not in known:
                raise UserError(f"kornia's {self.name} has no setting {key!r}", nearest(str(key), known))
        self._augmentation()

    def _augmentation(self) -> Any:
        cls = _classes()[self.name]
        gate = {"p": 1.0} if "p" in inspect.signature(cls).parameters else {}
        try:
            return cls(**{k: _plain(v) for k, v in self.settings.items()}, **gate)
        except Exception as error:  # kornia and torch raise whatever comes first
            what = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UserError(f"kornia's {self.name} refuses its settings: {what}", "See its documentation.") from None

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        augmentation = self._augmentation()
        results = []
        for one, (high, low) in zip(x.split(1), (params * 2**24).long().tolist(), strict=True):
            with torch_seeded(high << 24 | low, f"kornia/{self.name}"):
                results.append(augmentation(one))
        y = torch.cat(results)
        if y.shape != x.shape:
            raise UserError(
                f"kornia's {self.name} makes {tuple(y.shape[1:])} of {tuple(x.shape[1:])}",
                "Give it settings that keep the size; random_resized_crop and center_crop change it.",
            )
        return y.float().clamp(0, 1)
