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

__all__ = ["Concepts", "mean_purity", "purity"]

CHUNK = 512
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Concepts:
    """Crops of one image have no class, so their clusters are asked which labelled test images they attract.

    An image belongs to the cluster whose mean, of features of length 1, its own feature is nearest to by cosine.

    Args:
        shown: images of each cluster, the nearest.
        images: how many are given to clusters, drawn by a fixed key.
    """

    shown: int = 4
    images: int = 5000

    def __post_init__(self) -> None:
        check_range("shown", self.shown, 1)
        check_range("images", self.images, 1)

    def __call__(
        self, encoder: Encoder, means: Tensor, asked: Sequence[int | None], data: Labelled, side: int
    ) -> Arrays:
        """What is to be told of some clusters, and of all.

        Args:
            means: (C, D), of each cluster.
            asked: n numbers of clusters; None for one that has no mean and so no images.
            data: its test images are given out.
            side: in pixels, to which they are scaled: that of the crops.

        Returns:
            `probes` (n, shown, side, side, 3) uint8, the nearest first and white where there are fewer; `probe_size`,
            `probe_purity` (share of the most frequent class, NaN without images) and `probe_class` (its name, ""
            without images), (n,) each; `probe_mean_purity` of all images, and `probe_chance_purity`, the same with
            classes dealt at random.
        """
        index = keyed_subset(len(data.test), self.images, "concepts")
        pixels, truth = fit(data.test.images(index), side), data.test.labels[index]
        groups = self._groups(encoder, means, pixels) if len(means) else {}
        mine = [groups.get(c) if c is not None else None for c in asked]
        dealt = truth[rng.permutation(0, "concepts/deal", len(truth))]
        return {
            "probes": np.stack([self._shown(pixels, members) for members in mine]),
            "probe_size": np.array([0 if members is None else len(members) for members in mine]),
            "probe_purity": np.array([np.nan if members is None else purity(truth[members]) for members in mine]),
            "probe_class": np.array(
                ["" if members is None else data.classes[int(truth[members].bincount().argmax())] for members in mine]
            ),
            "probe_mean_purity": np.array(mean_purity(groups, truth)),
            "probe_chance_purity": np.array(mean_purity(groups, dealt)),
        }

    @torch.no_grad()
    def _groups(self, encoder: Encoder, means: Tensor, pixels: Tensor) -> dict[int, Tensor]:
        """The images of each cluster that has any, the nearest first."""
        towards = normalize(means, dim=1)
        found = [
            (normalize(encoder.embed(signed(some.to(means.device))), dim=1) @ towards.T).max(1)
            for some in pixels.split(CHUNK)
        ]
        cosine, nearest = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
        order = cosine.argsort(descending=True, stable=True)
        return {int(c): order[nearest[order] == c] for c in nearest.unique()}

    def _shown(self, pixels: Tensor, members: Tensor | None) -> Pixels:  # (shown, h, w, 3)
        sheet = np.full((self.shown, *pixels.shape[2:], 3), 255, np.uint8)
        if members is not None:
            some = as_pixels(pixels[members[: self.shown]])
            sheet[: len(some)] = some
        return sheet


def purity(classes: Tensor) -> float:
    """Share of the most frequent of classes (N,) int64."""
    return int(classes.bincount().max()) / len(classes)


def mean_purity(groups: dict[int, Tensor], truth: Tensor | None) -> float:
    """Share of all samples that are of the most frequent class of their group; NaN without classes or groups."""
    if truth is None or not groups:
        return float("nan")
    return sum(purity(truth[members]) * len(members) for members in groups.values()) / len(truth)
