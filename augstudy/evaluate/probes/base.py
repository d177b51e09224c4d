"""What a probe is: settings as fields, features or an encoder in, metrics out, no other state."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from augstudy.data.datasets.base import Labelled
from augstudy.evaluate.features import Extraction, Features
from augstudy.evaluate.scores import bootstrap
from augstudy.learn.backbones.base import Encoder, fingerprint
from augstudy.learn.classifier import Classifier

__all__ = ["EncoderProbe", "FeatureProbe", "Metric", "Probe", "Subject", "top1"]


@dataclass(frozen=True)
class Metric:
    """One number about one layer.

    Args:
        layer: the encoder's name for it.
        metric: "top1" (per cent) or what else was measured.
        value: a finite number.
        low, high: bounds of its 95 % interval, where there is one; of a top-1, by the bootstrap over test images.
    """

    layer: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None


def top1(layer: str, guess: Tensor, labels: Tensor, metric: str = "top1") -> Metric:
    """The share of guesses (N,) that are right, in per cent, with its interval over the images."""
    right = guess.eq(labels)
    return Metric(layer, metric, 100 * right.double().mean().item(), *bootstrap(right))


@dataclass(frozen=True)
class Subject:
    """What a probe that needs more than features looks at.

    Args:
        encoder: frozen; a probe that trains trains a copy.
        data: the labelled set.
        extraction: which of its images are used, and on how many batch norm statistics are re-estimated.
        device: where to work.
        head: what tells classes from the encoder's `embed`, of a run that trained such a thing.
        teacher: loads the classifier that the encoder was taught by, if it was.
    """

    encoder: Encoder
    data: Labelled
    extraction: Extraction
    device: torch.device
    head: nn.Linear | None = None
    teacher: Callable[[], Classifier] | None = None


@dataclass(frozen=True)
class Probe:
    """A frozen encoder and labels -> numbers. Whatever is chosen is chosen on training data."""

    metrics: ClassVar[tuple[str, ...]] = ("top1",)  # what it measures, the first of them the main one
    protocol: ClassVar[str] = ""  # of several ways to measure the same, which; named beside every number

    def measures(self) -> tuple[str, ...]:
        """The metrics of a probe with these settings; a study's claims may name no other."""
        return self.metrics


class FeatureProbe(Probe, ABC):
    """A probe that needs nothing but pooled features."""

    @abstractmethod
    def __call__(self, train: Features, test: Features) -> list[Metric]:
        """Metrics of every layer, in depth order."""


class EncoderProbe(Probe, ABC):
    """A probe that needs the images and the encoder itself, to augment the ones or to train a copy of the other."""

    def __call__(self, subject: Subject) -> list[Metric]:
        """Metrics, by layer in depth order; the encoder's hash is taken before and after, and must be the same."""
        before = fingerprint(subject.encoder)
        found = self.measure(subject)
        if fingerprint(subject.encoder) != before:
            raise RuntimeError("the encoder changed while it was probed")
        return found

    @abstractmethod
    def measure(self, subject: Subject) -> list[Metric]:
        """What the probe finds."""
