"""What clusters of crops mean to labelled images that nobody trained on: each is given to the cluster nearest to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.core.bundle import Arrays
from augstudy.data.datasets.base import Labelled, fit
from augstudy.evaluate.features import keyed_subset
from augstudy.evaluate.visuals.arrays import as_pixels
from augstudy.learn.backbones.base import Encoder, signed

__all__ = ["Concepts", "mean_purities", "purity"]

CHUNK = 512
NOT_ASKED = -1  # the size of a cluster that has no mean
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Concepts:
    """Crops of one image have no class, so their clusters are asked which labelled test images they attract.

    An image belongs to the cluster whose mean, of features of length 1, its own feature is nearest to by cosine. Crops
    and images are read with the statistics that batch norm has from training.

    Args:
        shown: images of each cluster, the nearest.
        count: how many are given to clusters, drawn by a fixed key.
    """

    shown: int = 4
    count: int = 5000

    def __post_init__(self) -> None:
        check_range("shown", self.shown, 1)
        check_range("count", self.count, 1)

    def __call__(
        self, encoder: Encoder, means: Tensor, asked: Sequence[int | None], data: Labelled, side: int
    ) -> Arrays:
        """What is to be told of some clusters, and of all.

        Args:
            means: (C, D), of each cluster.
            asked: n numbers of clusters; None for one that has no mean.
            data: its test images are given out.
            side: in pixels, to which they are scaled: that of the crops.

        Returns:
            `images` (n, shown, side, side, 3) uint8, the nearest first and white where there are fewer; `image_size`,
            -1 for a cluster without a mean, `image_purity` (share of the most frequent class, NaN without images) and
            `image_class` (its name, "" without images), (n,) each; `image_mean_purity` of all images, and
            `image_chance_purity`, the same with classes dealt at random, both NaN where no cluster has a mean.
        """
        index = keyed_subset(len(data.test), self.count, "concepts")
        truth = data.test.labels[index]
        groups = self._groups(encoder, means, data, index, side) if len(means) else {}
        mine = [groups.get(c, index[:0]) if c is not None else index[:0] for c in asked]
        mean, chance = mean_purities(groups, truth, "concepts/deal")
        return {
            "images": np.stack([self._shown(data, index[members[: self.shown]], side) for members in mine]),
            "image_size": np.array(
                [NOT_ASKED if c is None else len(members) for c, members in zip(asked, mine, strict=True)]
            ),
            "image_purity": np.array([purity(truth[members]) for members in mine]),
            "image_class": np.array([data.classes[frequent(truth[m])] if len(m) else "" for m in mine]),
            "image_mean_purity": np.array(mean),
            "image_chance_purity": np.array(chance),
        }

    @torch.no_grad()
    def _groups(self, encoder: Encoder, means: Tensor, data: Labelled, index: Tensor, side: int) -> dict[int, Tensor]:
        """Where in `index` the images of each cluster are that has any, the nearest first."""
        towards, found = normalize(means, dim=1), []
        for some in index.split(CHUNK):
            pixels = fit(data.test.images(some), side).to(means.device)
            found.append((normalize(encoder.embed(signed(pixels)), dim=1) @ towards.T).max(1))
        cosine, nearest = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
        order = cosine.argsort(descending=True, stable=True)
        return {int(c): order[nearest[order] == c] for c in nearest.unique()}

    def _shown(self, data: Labelled, index: Tensor, side: int) -> Pixels:  # (shown, side, side, 3)
        sheet = np.full((self.shown, side, side, 3), 255, np.uint8)
        if len(index):
            sheet[: len(index)] = as_pixels(fit(data.test.images(index), side))
        return sheet


def frequent(classes: Tensor) -> int:
    """The most frequent of classes (N,) int64, the lowest of several."""
    return int(classes.bincount().argmax())


def purity(classes: Tensor) -> float:
    """Share of the most frequent of classes (N,) int64; NaN of none."""
    return int(classes.bincount().max()) / len(classes) if len(classes) else float("nan")


def mean_purities(groups: dict[int, Tensor], truth: Tensor | None, deal: str) -> tuple[float, float]:
    """Share of all samples that are of their group's most frequent class, and the same with classes dealt at random.

    Args:
        groups: numbers of samples by group.
        truth: (N,) int64, the class of each sample; without classes or groups both shares are NaN.
        deal: the stream that deals them.
    """
    if truth is None or not groups:
        return float("nan"), float("nan")
    dealt = truth[rng.permutation(0, deal, len(truth))]
    mean, chance = (
        sum(purity(classes[members]) * len(members) for members in groups.values()) / len(truth)
        for classes in (truth, dealt)
    )
    return mean, chance
