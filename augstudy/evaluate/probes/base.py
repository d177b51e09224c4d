"""What a probe is: settings as fields, features in, metrics out, no other state."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from augstudy.evaluate.features import Features

__all__ = ["Metric", "Probe"]


@dataclass(frozen=True)
class Metric:
    """One number about one layer.

    Args:
        layer: the encoder's name for it.
        metric: "top1" (per cent) or what else was measured.
        value: a finite number.
        low, high: bounds of its 95 % interval, where there is one.
    """

    layer: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Probe(ABC):
    """Frozen features and labels -> numbers. Whatever is chosen is chosen on training data."""

    metrics: ClassVar[tuple[str, ...]] = ("top1",)  # what it measures; a study's claims may name no other

    @abstractmethod
    def __call__(self, train: Features, test: Features) -> list[Metric]:
        """Metrics of every layer, in depth order."""
