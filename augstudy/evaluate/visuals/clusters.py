"""The clusters that a method trained on: which crops fell together."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.core.bundle import Arrays
from augstudy.data.corpus import Source
from augstudy.evaluate.visuals.arrays import as_pixels
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
        sample: crops of a cluster whose features are read; smaller clusters are never called tight.
        budget: crops read in all; of more clusters than that allows, some are drawn.
    """

    each: int = 3
    shown: int = 8
    sample: int = 12
    budget: int = 4096

    def __post_init__(self) -> None:
        for name in ("each", "shown", "sample", "budget"):
            check_range(name, getattr(self, name), 1)

    def __call__(self, encoder: Encoder, source: Source, labels: Tensor, truth: Tensor | None) -> Arrays:
        """The gallery of one training.

        Args:
            labels: (N,) int64, the cluster of each crop.
            truth: (N,) int64, the class of each crop, where there are classes.

        Returns:
            `crops` (n, shown, h, w, 3) uint8, white where a cluster has fewer; and for each of the n clusters `kind`,
            `size`, `spread` (NaN where it was not measured) and `purity`, the share of its most frequent class (NaN
            without classes); `clusters`, how many are not empty; `mean_purity` of all crops, and `chance_purity`, the
            same with classes dealt at random.
        """
        order = rng.permutation(0, "clusters/crops", len(labels))
        names, counts = labels.unique(return_counts=True)
        groups = dict(
            zip(names.tolist(), order[labels[order].argsort(stable=True)].split(counts.tolist()), strict=True)
        )
        spread = self._spread(encoder, source, groups)
        kinds = self._chosen(groups, spread)
        purity = {name: _purity(truth[members]) if truth is not None else np.nan for name, members in groups.items()}
        sizes = np.array([len(groups[name]) for name, _ in kinds])
        dealt = truth[rng.permutation(0, "clusters/deal", len(truth))] if truth is not None else None
        return {
            "crops": np.stack([self._crops(source, groups[name]) for name, _ in kinds]),
            "kind": np.array([kind for _, kind in kinds]),
            "size": sizes,
            "spread": np.array([spread.get(name, np.nan) for name, _ in kinds]),
            "purity": np.array([purity[name] for name, _ in kinds]),
            "clusters": np.array(len(groups)),
            "mean_purity": np.array(_mean_purity(groups, truth)),
            "chance_purity": np.array(_mean_purity(groups, dealt)),
        }

    @torch.no_grad()
    def _spread(self, encoder: Encoder, source: Source, groups: dict[int, Tensor]) -> dict[int, float]:
        """How far crops lie from their cluster's mean, for those that have a full sample."""
        full = [name for name, members in groups.items() if len(members) >= self.sample]
        drawn = rng.permutation(0, "clusters/looked_at", len(full))[: max(1, self.budget // self.sample)]
        looked = [full[i] for i in drawn.tolist()] if full else []
        if not looked:
            return {}
        index = torch.cat([groups[name][: self.sample] for name in looked])
        read = [normalize(encoder.embed(signed(source.batch(some))), dim=1) for some in index.split(CHUNK)]
        features = torch.cat(read).unflatten(0, (len(looked), self.sample))  # (clusters, sample, D)
        distance = (features - features.mean(1, keepdim=True)).square().sum(2).mean(1)
        return dict(zip(looked, distance.tolist(), strict=True))

    def _chosen(self, groups: dict[int, Tensor], spread: dict[int, float]) -> list[tuple[int, str]]:
        """(cluster, kind), none of them twice."""
        tight = sorted(spread, key=lambda name: spread[name])
        large = sorted(groups, key=lambda name: -len(groups[name]))
        drawn = [list(groups)[i] for i in rng.permutation(0, "clusters/drawn", len(groups)).tolist()]
        found: dict[int, str] = {}
        for kind, names in zip(KINDS, (tight, large, drawn), strict=True):
            found |= dict.fromkeys([name for name in names if name not in found][: self.each], kind)
        return list(found.items())

    def _crops(self, source: Source, members: Tensor) -> np.ndarray:  # (shown, h, w, 3) uint8
        crops = as_pixels(source.batch(members[: self.shown]))
        missing = self.shown - len(crops)
        return np.concatenate([crops, np.full((missing, *crops.shape[1:]), 255, np.uint8)])


def _purity(classes: Tensor) -> float:
    """Share of the most frequent class."""
    return int(classes.bincount().max()) / len(classes)


def _mean_purity(groups: dict[int, Tensor], truth: Tensor | None) -> float:
    if truth is None:
        return float("nan")
    return sum(_purity(truth[members]) * len(members) for members in groups.values()) / len(truth)
