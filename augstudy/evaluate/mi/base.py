"""What an estimator of mutual information is: settings as fields, the two sides of many pairs in, nats out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from augstudy.core import rng
from augstudy.core.errors import UserError
from augstudy.evaluate.probes.base import Metric

__all__ = ["EMBEDDING", "Estimator", "Pairs", "bootstrap", "standard"]

EMBEDDING = "embedding"  # the layer that a record names: what the encoders make of a view, before any head
REPEATS = 400  # of a bootstrap


@dataclass(frozen=True)
class Pairs:
    """What two encoders make of both views of pictures that neither was trained on.

    Args:
        first, second: (N, D) and (N, D') float32; row i of both is of one picture.
        heads: unit vectors (N, d) of both, which the contrastive loss compared; None where nothing was trained.
        temperature: of that loss.
    """

    first: Tensor
    second: Tensor
    heads: tuple[Tensor, Tensor] | None = None
    temperature: float = 0.1

    def __post_init__(self) -> None:
        if len(self.first) != len(self.second):
            raise UserError(f"{len(self.first)} and {len(self.second)} sides are no pairs", "Give as many of both.")
        for side in (self.first, self.second, *(self.heads or ())):
            if not side.isfinite().all():
                raise UserError("a feature is NaN or infinite", "The encoder diverged: lower method.lr.")

    def __len__(self) -> int:
        return len(self.first)

    def parted(self, share: float) -> tuple["Pairs", "Pairs"]:
        """A part to fit a critic on and the rest to judge it on, by a fixed key."""
        order = rng.permutation(0, "mi/part", len(self))
        cut = int(share * len(self))
        return self.some(order[:cut]), self.some(order[cut:])

    def some(self, index: Tensor) -> "Pairs":
        """Those pairs."""
        index = index.to(self.first.device)
        heads = (self.heads[0][index], self.heads[1][index]) if self.heads else None
        return Pairs(self.first[index], self.second[index], heads, self.temperature)


@dataclass(frozen=True)
class Estimator(ABC):
    """Pairs -> mutual information of their sides in nats, with its interval, and the ceiling of the estimator."""

    @property
    def least(self) -> int:
        """Pairs without which it cannot work."""
        return 2

    @abstractmethod
    def __call__(self, pairs: Pairs) -> list[Metric]:
        """Metrics named `nats...`, and `ceiling` where no data could give more."""


def bootstrap(terms: Tensor) -> tuple[float, float]:
    """The 95 % percentile interval of a mean over (N,) terms, drawn anew with repeats."""
    values: NDArray[np.float64] = terms.double().cpu().numpy()
    generator = np.random.default_rng(0)
    means = [values[generator.integers(0, len(values), len(values))].mean() for _ in range(REPEATS)]
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def standard(fit: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
    """All with the mean of the first taken off and divided by its sd; constant features become 0."""
    mean, sd = fit.mean(0), fit.std(0)
    scale = torch.where(sd > 1e-6, 1 / sd.clamp(min=1e-6), 0.0)
    return tuple((x - mean) * scale for x in (fit, *others))
