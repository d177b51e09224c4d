"""Low-shot probe: linear support vector machines on a few images a class."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from sklearn.svm import LinearSVC
from torch import Tensor
from torch.nn.functional import normalize

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.core.errors import UserError
from augstudy.evaluate.features import Features
from augstudy.evaluate.probes.base import FeatureProbe, Metric
from augstudy.evaluate.scores import bootstrap, standardised

__all__ = ["SVMLowShot"]

SHOTS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class SVMLowShot(FeatureProbe):
    """One-against-all linear SVMs on standardised features of length 1, trained on k images a class, several draws.

    A value is the mean over draws; its interval is over test images.

    Args:
        shots: k; a class of fewer images gives all that it has.
        draws: repetitions with other images.
        cost: C of the SVM.

    Source: Goyal et al., "Scaling and benchmarking self-supervised visual representation learning", ICCV 2019, section
    6.3: low-shot linear SVMs, five draws for each k; there mAP on VOC and C by cross-validation, here top-1 and a
    fixed C.
    """

    metrics: ClassVar[tuple[str, ...]] = tuple(f"top1@{k}/class" for k in SHOTS)
    shots: tuple[int, ...] = SHOTS
    draws: int = 5
    cost: float = 1.0

    def __post_init__(self) -> None:
        if not self.shots or len(set(self.shots)) != len(self.shots):
            raise UserError(f"shots is {list(self.shots)}", "Give at least one number of images, each once: [1, 4].")
        for k in self.shots:
            check_range("shots", k, 1)
        check_range("draws", self.draws, 1)
        check_range("cost", self.cost, 1e-6)

    def measures(self) -> tuple[str, ...]:
        return tuple(f"top1@{k}/class" for k in self.shots)

    def __call__(self, train: Features, test: Features) -> list[Metric]:
        found = []
        for layer in train.layers:
            x, again = (normalize(y, dim=1) for y in standardised(train.layers[layer], test.layers[layer]))
            for k, name in zip(self.shots, self.measures(), strict=True):
                chosen = [some_of_each(train.labels, k, draw) for draw in range(self.draws)]
                guesses = torch.stack([self._guess(x[i], train.labels[i], again) for i in chosen])
                share = guesses.eq(test.labels.cpu()).double().mean(0)
                found.append(Metric(layer, name, 100 * share.mean().item(), *bootstrap(share)))
        return found

    def _guess(self, x: Tensor, labels: Tensor, again: Tensor) -> Tensor:  # -> (N,)
        model = LinearSVC(C=self.cost, random_state=0)
        model.fit(x.cpu().numpy(), labels.cpu().numpy())
        return torch.from_numpy(model.predict(again.cpu().numpy()))


def some_of_each(labels: Tensor, count: int, draw: int) -> Tensor:
    """`count` images of each class, drawn by a key."""
    order = rng.permutation(draw, "probe/low_shot", len(labels)).to(labels.device)
    return torch.cat([order[labels[order] == label][:count] for label in labels.unique()])
