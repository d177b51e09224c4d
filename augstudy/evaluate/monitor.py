"""Online monitors: how an encoder does while it is trained, on training images alone and apart from every probe."""

from dataclasses import dataclass

import torch
from torch import Tensor

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.data.datasets.base import Labelled
from augstudy.evaluate.features import CHUNK
from augstudy.evaluate.logistic import logistic
from augstudy.evaluate.probes.knn import KNN
from augstudy.evaluate.scores import accuracy, class_count, standardised
from augstudy.learn.backbones.base import Encoder, signed

__all__ = ["Monitor", "Watch"]

PENALTY = 0.01  # of the linear head, on standardised features


@dataclass(frozen=True)
class Monitor:
    """How often, and on how many images, an encoder in training is looked at. It never changes what is trained.

    Weighted nearest neighbours and a linear head (logistic regression at one penalty) read the labels off `embed`,
    detached. Both learn on some training images of the labelled set and are judged on others: no test image is seen,
    and the encoder's batch norms are as training left them. Curves to watch, not results: columns `monitor_knn` and
    `monitor_linear` of metrics.csv, top-1 in per cent, are never mixed with what probes find.

    Args:
        every: epochs from one look to the next, and after the last; 0 never looks.
        train, judged: training images to learn on, and others to be judged on.
        k, temperature: of nearest neighbours.

    Source: Wu et al., CVPR 2018, section 3.4, and MoCo's CIFAR-10 notebook, which watch a kNN accuracy as they train.
    """

    every: int = 0
    train: int = 2000
    judged: int = 1000
    k: int = 200
    temperature: float = 0.1

    def __post_init__(self) -> None:
        check_range("every", self.every, 0)
        for name in ("train", "judged", "k"):
            check_range(name, getattr(self, name), 1)
        check_range("temperature", self.temperature, 1e-3)


@dataclass(frozen=True, eq=False)
class Watch:
    """A monitor with the images that it looks at.

    Args:
        monitor: how.
        data: the labelled set.
        epochs: of the training.
    """

    monitor: Monitor
    data: Labelled
    epochs: int

    def __call__(self, epoch: int, encoder: Encoder) -> dict[str, float]:
        """What is seen after this epoch (the first is 1), by the columns' names; nothing between two looks."""
        every = self.monitor.every
        if not every or (epoch % every and epoch != self.epochs):
            return {}
        mode = encoder.training
        encoder.eval()
        features, labels = self._features(encoder)
        encoder.train(mode)
        count = min(self.monitor.train, len(labels) * 2 // 3)
        x, again = standardised(features[:count], features[count:])
        known, truth = labels[:count], labels[count:]
        neighbours = KNN(self.monitor.k, self.monitor.temperature)
        classes = class_count(labels)
        head = logistic(x, known, classes, [PENALTY])
        return {
            "monitor_knn": 100 * neighbours.guess(x, again, known, classes).eq(truth).double().mean().item(),
            "monitor_linear": accuracy(head.scores(again)[0], truth),
        }

    @torch.no_grad()
    def _features(self, encoder: Encoder) -> tuple[Tensor, Tensor]:
        split, device = self.data.train, next(encoder.parameters()).device
        index = rng.permutation(0, "monitor", len(split))[: self.monitor.train + self.monitor.judged]
        parts = [encoder.embed(signed(split.images(some).to(device))).float() for some in index.split(CHUNK)]
        return torch.cat(parts), split.labels[index].to(device)
