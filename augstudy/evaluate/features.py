"""A frozen encoder's features, layer by layer."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.data.datasets.base import Labelled, Split
from augstudy.learn.backbones.base import Encoder, fingerprint, signed

__all__ = ["Extraction", "Features"]

CHUNK = 512


@dataclass(frozen=True)
class Features:
    """Features of some images at every layer, with their labels.

    Args:
        layers: name -> (N, D) float32, in depth order; D differs between layers.
        labels: (N,) int64.
    """

    layers: dict[str, Tensor]
    labels: Tensor


@dataclass(frozen=True)
class Extraction:
    """How features are read off an encoder.

    Args:
        train, test: images used of each split, drawn by a fixed key; 0 takes all.
        dims: each layer is average-pooled to the largest square grid that gives at most this many numbers.
        calibrate: unlabelled training images on which batch norm statistics are re-estimated, for every encoder alike
            (random ones have none of their own, and pretraining saw other images); 0 keeps the encoder's own.
    """

    train: int = 0
    test: int = 0
    dims: int = 1024
    calibrate: int = 5000

    def __post_init__(self) -> None:
        for name in ("train", "test", "calibrate"):
            check_range(name, getattr(self, name), 0)
        check_range("dims", self.dims, 1)

    def __call__(self, encoder: Encoder, data: Labelled, device: torch.device) -> tuple[Features, Features]:
        """Features of training and test images.

        The encoder is frozen: its hash is taken before and after, and must be the same.
        """
        before = fingerprint(encoder)
        reader = copy.deepcopy(encoder).to(device).eval()
        if self.calibrate:
            recalibrate(reader, data.train, self.calibrate, device)
        train, test = (
            self._read(reader, split, keyed_subset(len(split), count, name), device)
            for name, split, count in (("train", data.train, self.train), ("test", data.test, self.test))
        )
        if fingerprint(encoder) != before:
            raise RuntimeError("the encoder changed while its features were read")
        return train, test

    @torch.no_grad()
    def _read(self, encoder: Encoder, split: Split, index: Tensor, device: torch.device) -> Features:
        parts: dict[str, list[Tensor]] = {name: [] for name in encoder.names}
        for some in index.split(CHUNK):
            x = signed(split.images(some).to(device)).contiguous(memory_format=torch.channels_last)
            for name, y in encoder.layers(x).items():
                parts[name].append(self._pool(y))
        return Features({name: torch.cat(p) for name, p in parts.items()}, split.labels[index].to(device))

    def _pool(self, y: Tensor) -> Tensor:  # (B, C, h, w) -> (B, C g g)
        grid = max(1, min(y.shape[-1], int((self.dims / y.shape[1]) ** 0.5)))
        return adaptive_avg_pool2d(y, grid).flatten(1)


def keyed_subset(n: int, count: int, name: str) -> Tensor:
    """`count` of n numbers, the same on every call, in rising order; all of them for count 0."""
    if count == 0 or count >= n:
        return torch.arange(n)
    return rng.permutation(0, f"probe/{name}", n)[:count].sort().values


@torch.no_grad()
def recalibrate(encoder: Encoder, split: Split, count: int, device: torch.device) -> None:
    """Set batch norm statistics to the plain average over `count` images."""
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
    encoder.train()
    for some in keyed_subset(len(split), count, "calibrate").split(CHUNK):
        encoder(signed(split.images(some).to(device)).contiguous(memory_format=torch.channels_last))
    encoder.eval()
