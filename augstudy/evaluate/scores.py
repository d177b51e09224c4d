"""What probes share: standardised features, top-1, and how sure the test images make it."""

from functools import lru_cache

import torch
from torch import Tensor

from augstudy.core import rng

__all__ = ["accuracy", "bootstrap", "class_count", "standardised"]

RESAMPLES = 1000
ROWS = 100  # resamples that are weighed at a time


def standardised(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Both with the training features' mean taken off and divided by their sd; constant features become 0."""
    mean, sd = train.mean(0), train.std(0)
    scale = torch.where(sd > 1e-6, 1 / sd.clamp(min=1e-6), 0.0)
    return (train - mean) * scale, (test - mean) * scale


def class_count(*labels: Tensor) -> int:
    """How many classes labels from 0 on speak of."""
    return int(max(y.max() for y in labels)) + 1


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """Top-1 in per cent of scores (N, K)."""
    return 100 * scores.argmax(1).eq(labels).double().mean().item()


def bootstrap(right: Tensor) -> tuple[float, float]:
    """95 % interval over test images of the share that is right, in per cent: (N,) of 0 and 1 -> low, high.

    The percentiles of 1000 resamples of the images, drawn by a fixed key, the same for all layers and encoders.

    Source: Efron and Tibshirani, "An introduction to the bootstrap", 1993, section 13.3.
    """
    shares = torch.cat([part.float() @ right.float().cpu() for part in resamples(len(right)).split(ROWS)]) / len(right)
    low, high = torch.quantile(shares.double(), torch.tensor([0.025, 0.975], dtype=torch.double)).tolist()
    return 100 * low, 100 * high


@lru_cache(maxsize=2)
def resamples(n: int) -> Tensor:
    """How often each of n images is in each resample: (1000, n) uint8."""
    parts = []
    for rows in torch.arange(RESAMPLES).split(ROWS):
        drawn = (rng.uniform(0, "probe/bootstrap", rows, n) * n).long().clamp(max=n - 1)
        drawn += n * torch.arange(len(rows))[:, None]
        parts.append(torch.bincount(drawn.flatten(), minlength=n * len(rows)).view(-1, n).to(torch.uint8))
    return torch.cat(parts)
