"""What lies near what in the features of labelled images: nearest training images, and which classes are confused."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import normalize

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.core.bundle import Arrays
from augstudy.data.datasets.base import Labelled
from augstudy.evaluate.features import Extraction, Features
from augstudy.evaluate.probes.knn import KNN
from augstudy.evaluate.scores import class_count, standardised
from augstudy.evaluate.visuals.arrays import as_pixels

__all__ = ["Confusions", "Neighbours"]

Halves = tuple[Features, Features]  # of training and test images


@dataclass(frozen=True)
class Neighbours:
    """Test images and the training images that are nearest to them by cosine at the last layer.

    Args:
        queries: test images, each of another class as long as there are classes, drawn by a fixed key.
        k: neighbours of each.
    """

    queries: int = 6
    k: int = 5

    def __post_init__(self) -> None:
        check_range("queries", self.queries, 1)
        check_range("k", self.k, 1)

    def __call__(self, features: Halves, data: Labelled, extraction: Extraction) -> Arrays:
        """The gallery of one encoder.

        Returns:
            `query` (Q, h, w, 3) and `nearest` (Q, k, h, w, 3) uint8, nearest first; `cosine` and `same` (Q, k), the
            similarity and whether the class is the query's; `classes` (Q,) names; `layer`; `all_same`, the share of
            the k neighbours of every test image that are of its class.
        """
        train, test = features
        layer = list(train.layers)[-1]
        bank, queries = (normalize(x, dim=1) for x in standardised(train.layers[layer], test.layers[layer]))
        k = min(self.k, len(bank))
        chosen = self._chosen(test)
        cosine, nearest = (queries[chosen] @ bank.T).topk(k)  # (Q, k)
        every = torch.cat([(some @ bank.T).topk(k).indices for some in queries.split(1024)])
        of_train, of_test = extraction.indices(data)
        return {
            "query": as_pixels(data.test.images(of_test[chosen.cpu()])),
            "nearest": as_pixels(data.train.images(of_train[nearest.cpu().flatten()])).reshape(
                len(chosen), k, *data.train.images(of_train[:1]).shape[2:], 3
            ),
            "cosine": cosine.cpu().numpy(),
            "same": (train.labels[nearest] == test.labels[chosen, None]).cpu().numpy(),
            "classes": np.array([data.classes[i] for i in test.labels[chosen].tolist()]),
            "layer": np.array(layer),
            "all_same": np.array(float((train.labels[every] == test.labels[:, None]).float().mean())),
        }

    def _chosen(self, test: Features) -> torch.Tensor:
        """Where among the test features the queries are: (Q,) int64, on their device."""
        order = rng.permutation(0, "neighbours/queries", len(test.labels)).to(test.labels.device)
        labels = test.labels[order]
        # The how-manieth of its class each image is: the first of every class come first, then the second.
        turn = torch.stack([(labels[:i] == label).sum() for i, label in enumerate(labels[:1024])])
        return order[turn.argsort(stable=True)][: self.queries]


@dataclass(frozen=True)
class Confusions:
    """Which classes the weighted nearest neighbours take for which at the last layer.

    Args:
        k, temperature: see `KNN`.
    """

    k: int = 20
    temperature: float = 0.1

    def __call__(self, features: Halves, data: Labelled, extraction: Extraction) -> Arrays:
        """`counts` (K, K) int64, true class by guessed class; `classes` (K,) names; `layer`."""
        train, test = features
        layer, classes = list(train.layers)[-1], max(len(data.classes), class_count(train.labels, test.labels))
        bank, queries = standardised(train.layers[layer], test.layers[layer])
        guessed = KNN(self.k, self.temperature).guess(bank, queries, train.labels, classes)
        counts = (test.labels * classes + guessed).bincount(minlength=classes**2).unflatten(0, (classes, classes))
        return {"counts": counts.cpu().numpy(), "classes": np.array(data.classes), "layer": np.array(layer)}
