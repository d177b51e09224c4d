"""A frozen encoder's features, layer by layer: read once, rounded to float16, and kept on disk."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from augstudy.core import rng
from augstudy.core.arrays import open_arrays, writing_arrays
from augstudy.core.build import check_range
from augstudy.core.errors import Unprobable
from augstudy.core.store import digest
from augstudy.data.datasets.base import Labelled, Split
from augstudy.learn.backbones.base import Encoder, fingerprint, signed

__all__ = ["Extraction", "Features", "Halves", "calibrated", "keyed_subset"]

CHUNK = 512
FORMAT = 1  # of the files; a number more makes all of them anew
LARGEST = 64.0  # what the largest feature of a layer becomes, about: float16 then leaves a thousandfold room above


class Halves(Mapping[str, Tensor]):
    """Layers in float16, in memory or mapped from disk; each is made float32 when it is asked for, and not kept.

    Args:
        arrays: name -> (N, D) float16, in depth order.
        scales: name -> what its numbers are to be multiplied with, a power of two.
        device: where the layers are wanted.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], scales: Mapping[str, float], device: torch.device) -> None:
        self.arrays, self.scales, self.device = arrays, scales, device

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self.arrays[name]).to(self.device).float().mul_(self.scales[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)


@dataclass(frozen=True)
class Features:
    """Features of some images at every layer, with their labels.

    Args:
        layers: name -> (N, D) float32, in depth order; D differs between layers.
        labels: (N,) int64.
    """

    layers: Mapping[str, Tensor]
    labels: Tensor


@dataclass(frozen=True)
class Extraction:
    """How features are read off an encoder.

    Args:
        train, test: images used of each split, drawn by a fixed key; 0 takes all.
        dims: each layer is average-pooled to the largest square grid that gives at most this many numbers.
        calibrate: unlabelled training images on which batch norm statistics are re-estimated, for every encoder alike
            (random ones have none of their own, and pretraining saw other images); 0 keeps the encoder's own.
        keep: leave the features in the run's folder for probes to come: 2 bytes a number, for 20,000 images of four
            layers of 512 numbers 80 MB.
    """

    train: int = 0
    test: int = 0
    dims: int = 2048
    calibrate: int = 5000
    keep: bool = True

    def __post_init__(self) -> None:
        for name in ("train", "test", "calibrate"):
            check_range(name, getattr(self, name), 0)
        check_range("dims", self.dims, 1)

    def facts(self) -> dict[str, Any]:
        """The settings that numbers depend on."""
        return {name: value for name, value in asdict(self).items() if name != "keep"}

    def indices(self, data: Labelled) -> tuple[Tensor, Tensor]:
        """Which images of the training and of the test split are used."""
        return keyed_subset(len(data.train), self.train, "train"), keyed_subset(len(data.test), self.test, "test")

    def __call__(
        self, encoder: Encoder, data: Labelled, device: torch.device, folder: Path | None = None
    ) -> tuple[Features, Features]:
        """Features of training and test images, in one pass over each; those in `folder` if they are the same.

        Every feature is rounded to float16, whether it was kept or not, so that numbers do not depend on that. With
        a folder, no more than a chunk of images is in memory at a time. The encoder is frozen: its hash is taken
        before and after, and must be the same.

        Raises:
            Unprobable: a feature is not finite.
        """
        before = fingerprint(encoder)
        facts = {"format": FORMAT, "encoder": before, "data": data.fingerprint, "extraction": self.facts()}
        place = folder / digest(facts) if folder and self.keep else None
        found = open_arrays(place, facts) if place else None
        if found is None:
            found = self._read(calibrated(encoder, data.train, self.calibrate, device), data, facts, device, place)
            if fingerprint(encoder) != before:
                raise RuntimeError("the encoder changed while its features were read")
        arrays, told = found
        train, test = (
            Features(
                Halves({k: arrays[f"{name}-{k}"] for k in told["layers"]}, told["scales"], device),
                split.labels[index].to(device),
            )
            for name, split, index in self._parts(data)
        )
        return train, test

    def _parts(self, data: Labelled) -> list[tuple[str, Split, Tensor]]:
        train, test = self.indices(data)
        return [("train", data.train, train), ("test", data.test, test)]

    @torch.no_grad()
    def _read(
        self, reader: Encoder, data: Labelled, facts: dict[str, Any], device: torch.device, place: Path | None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        parts = self._parts(data)
        first = self._pooled(reader, data.train, parts[0][2][:CHUNK], device)
        told = facts | {"layers": list(first), "scales": {name: scale_of(y) for name, y in first.items()}}
        shapes = {f"{part}-{k}": (len(index), y.shape[1]) for part, _, index in parts for k, y in first.items()}
        with _arrays(place, shapes, told) as arrays:
            for part, split, index in parts:
                for start in range(0, len(index), CHUNK):
                    some = index[start : start + CHUNK]
                    for name, y in self._pooled(reader, split, some, device).items():
                        half = (y / told["scales"][name]).half()
                        check_finite(half, f"layer {name}, {part} image", some)
                        arrays[f"{part}-{name}"][start : start + len(some)] = half.cpu().numpy()
        if place is None:
            return arrays, told
        found = open_arrays(place, facts)
        assert found is not None, f"{place} cannot be read again"
        return found

    def _pooled(self, encoder: Encoder, split: Split, index: Tensor, device: torch.device) -> dict[str, Tensor]:
        x = signed(split.images(index).to(device)).contiguous(memory_format=torch.channels_last)
        return {name: self._pool(y) for name, y in encoder.layers(x).items()}

    def _pool(self, y: Tensor) -> Tensor:  # (B, C, h, w) -> (B, C g g)
        grid = max(1, min(y.shape[-1], int((self.dims / y.shape[1]) ** 0.5)))
        return adaptive_avg_pool2d(y, grid).flatten(1)


def _arrays(
    place: Path | None, shapes: Mapping[str, tuple[int, ...]], facts: dict[str, Any]
) -> AbstractContextManager[dict[str, NDArray[Any]]]:
    """Arrays to fill, on disk or in memory."""
    if place is not None:
        return writing_arrays(place, shapes, facts)
    return nullcontext({name: np.empty(shape, np.float16) for name, shape in shapes.items()})


def scale_of(y: Tensor) -> float:
    """A power of two that takes the largest of some features to about `LARGEST`; dividing by it rounds nothing."""
    largest = float(y.abs().max())
    return float(2.0 ** np.round(np.log2(largest / LARGEST))) if 0 < largest < float("inf") else 1.0


def check_finite(y: Tensor, what: str, index: Tensor) -> None:
    """Raises Unprobable, naming the first image with a feature that is not finite."""
    wrong = (~y.isfinite().all(1)).nonzero()
    if len(wrong):
        raise Unprobable(
            f"{what} {int(index[int(wrong[0, 0])])}: a feature is not finite, or a thousand times as large as others",
            "Such an encoder cannot be probed: look at its weights, and train it with a smaller lr.",
        )


def keyed_subset(n: int, count: int, name: str) -> Tensor:
    """`count` of n numbers, the same on every call, in rising order; all of them for count 0."""
    if count == 0 or count >= n:
        return torch.arange(n)
    return rng.permutation(0, f"probe/{name}", n)[:count].sort().values


def calibrated(encoder: Encoder, split: Split, count: int, device: torch.device) -> Encoder:
    """A copy in eval mode whose batch norm statistics are re-estimated on `count` images, or kept for 0."""
    reader = copy.deepcopy(encoder).to(device).eval()
    if count:
        recalibrate(reader, split, count, device)
    return reader


@torch.no_grad()
def recalibrate(encoder: Encoder, split: Split, count: int, device: torch.device) -> None:
    """Set batch norm statistics to the average over `count` images, in parts of about one size that count alike."""
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
    encoder.train()
    parts = list(keyed_subset(len(split), count, "calibrate").split(CHUNK))
    if len(parts) > 1 and len(parts[-1]) < CHUNK // 2:  # a few images shall not weigh as much as a whole part
        parts[-2:] = [torch.cat(parts[-2:])]
    for some in parts:
        encoder(signed(split.images(some).to(device)).contiguous(memory_format=torch.channels_last))
    encoder.eval()
    for norm, momentum in zip(norms, momenta, strict=True):  # a copy may be trained from here
        norm.momentum = momentum
