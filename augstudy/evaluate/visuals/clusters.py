"""The clusters that a method trained on: which crops fell together."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.core.bundle import Arrays
from augstudy.data.corpus import Source
from augstudy.data.datasets.base import Labelled
from augstudy.evaluate.visuals.arrays import as_pixels
from augstudy.evaluate.visuals.concepts import Concepts, mean_purities
from augstudy.learn.backbones.base import Encoder, signed

__all__ = ["Clusters"]

CHUNK = 512
KINDS = ("tightest", "largest", "drawn")


@dataclass(frozen=True)
class Clusters:
    """Some crops of the tightest clusters, of the largest, and of some drawn by a fixed key.

    Tight is a cluster whose crops have features of length 1 near their mean (mean squared distance). Only a sample of
    each cluster is looked at, drawn by a fixed key, so that the cost does not grow with the corpus.

    Args:
        each: clusters of each kind.
        shown: crops of each cluster.
        sample: crops of a cluster whose features are read. Smaller clusters have no mean: they are never called tight,
            and no labelled image is given to them.
        budget: crops read in all. Of more clusters than that allows, those that may be shown are read and some drawn,
            and only these have a mean.
        concepts: how labelled images are given to clusters.
    """

    each: int = 3
    shown: int = 8
    sample: int = 12
    budget: int = 4096
    concepts: Concepts = field(default_factory=Concepts)

    def __post_init__(self) -> None:
        for name in ("each", "shown", "sample", "budget"):
            check_range(name, getattr(self, name), 1)

    def __call__(
        self, encoder: Encoder, source: Source, labels: Tensor, truth: Tensor | None, data: Labelled
    ) -> Arrays:
        """The gallery of one training.

        Args:
            labels: (N,) int64, the cluster of each crop.
            truth: (N,) int64, the class of each crop, where there are classes.
            data: its test images are given to the clusters.

        Returns:
            `crops` (n, shown, h, w, 3) uint8, white where a cluster has fewer; and for each of the n clusters `kind`,
            `size` and `spread` (NaN where it was not measured); `clusters`, how many are not empty; `mean_purity`, the
            share of all crops that are of their cluster's most frequent class, and `chance_purity`, the same with
            classes dealt at random (NaN without classes). What `Concepts` tells of the labelled images goes with it.
        """
        order = rng.permutation(0, "clusters/crops", len(labels))
        names, counts = labels.unique(return_counts=True)
        groups = dict(
            zip(names.tolist(), order[labels[order].argsort(stable=True)].split(counts.tolist()), strict=True)
        )
        looked, features = self._looked_at(encoder, source, groups)
        spread = (features - features.mean(1, keepdim=True)).square().sum(2).mean(1).tolist()
        kinds = self._chosen(groups, dict(zip(looked, spread, strict=True)))
        places = [looked.index(name) if name in looked else None for name, _ in kinds]
        crops = np.stack([self._crops(source, groups[name]) for name, _ in kinds])
        mean, chance = mean_purities(groups, truth, "clusters/deal")
        return {
            "crops": crops,
            "kind": np.array([kind for _, kind in kinds]),
            "size": np.array([len(groups[name]) for name, _ in kinds]),
            "spread": np.array([np.nan if place is None else spread[place] for place in places]),
            "clusters": np.array(len(groups)),
            "mean_purity": np.array(mean),
            "chance_purity": np.array(chance),
            **self.concepts(encoder, features.mean(1), places, data, crops.shape[-2]),
        }

    @torch.no_grad()
    def _looked_at(self, encoder: Encoder, source: Source, groups: dict[int, Tensor]) -> tuple[list[int], Tensor]:
        """Numbers of clusters that have a full sample, and the features of length 1 of these crops, (C, sample, D)."""
        full = [name for name, members in groups.items() if len(members) >= self.sample]
        rest = [full[i] for i in rng.permutation(0, "clusters/looked_at", len(full)).tolist()] if full else []
        # What is shown comes from these: as many again may be shown as another kind already.
        shown = [*_largest(groups)[: 2 * self.each], *_drawn(groups)[: 3 * self.each]]
        first = [name for name in shown if len(groups[name]) >= self.sample]
        looked = list(dict.fromkeys([*first, *rest]))[: max(1, self.budget // self.sample)]
        if not looked:
            return [], torch.zeros(0, self.sample, encoder.width())
        index = torch.cat([groups[name][: self.sample] for name in looked])
        read = [normalize(encoder.embed(signed(source.batch(some))), dim=1) for some in index.split(CHUNK)]
        return looked, torch.cat(read).unflatten(0, (len(looked), self.sample))

    def _chosen(self, groups: dict[int, Tensor], spread: dict[int, float]) -> list[tuple[int, str]]:
        """(cluster, kind), none of them twice."""
        tight = sorted(spread, key=lambda name: spread[name])
        found: dict[int, str] = {}
        for kind, names in zip(KINDS, (tight, _largest(groups), _drawn(groups)), strict=True):
            found |= dict.fromkeys([name for name in names if name not in found][: self.each], kind)
        return list(found.items())

    def _crops(self, source: Source, members: Tensor) -> np.ndarray:  # (shown, h, w, 3) uint8
        crops = as_pixels(source.batch(members[: self.shown]))
        missing = self.shown - len(crops)
        return np.concatenate([crops, np.full((missing, *crops.shape[1:]), 255, np.uint8)])


def _largest(groups: dict[int, Tensor]) -> list[int]:
    """All clusters, the largest first."""
    return sorted(groups, key=lambda name: -len(groups[name]))


def _drawn(groups: dict[int, Tensor]) -> list[int]:
    """All clusters in an order drawn by a fixed key."""
    return [list(groups)[i] for i in rng.permutation(0, "clusters/drawn", len(groups)).tolist()]
