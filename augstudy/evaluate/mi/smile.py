"""SMILE: the Donsker-Varadhan bound with a clipped partition function, which knows no ceiling of log K."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from augstudy.core.build import check_range
from augstudy.evaluate.critic import Separable, fitted
from augstudy.evaluate.mi.base import EMBEDDING, Estimator, Pairs, bootstrap, standard
from augstudy.evaluate.probes.base import Metric

__all__ = ["SMILE"]

BLOCK = 1000  # rows of scores at a time


@dataclass(frozen=True)
class SMILE(Estimator):
    """E_p[f] - log E_q[clip(exp f, exp -clip, exp clip)] in nats, f fitted to one part of the pairs.

    Args:
        clip: tau; less of it has less variance and more bias.
        fit: share of the pairs that the critic is fitted to.
        hidden, width, steps, batch: of the critic and its training, whose loss is the Jensen-Shannon one.

    It has no ceiling by its form; with few pairs or much information it errs low, for then the critic is what fails.

    Source: Song, Ermon, "Understanding the limitations of variational mutual information estimators", ICLR 2020.
    """

    clip: float = 5.0
    fit: float = 0.5
    hidden: int = 256
    width: int = 64
    steps: int = 200
    batch: int = 256

    def __post_init__(self) -> None:
        check_range("clip", self.clip, 0.1, 50)
        check_range("fit", self.fit, 0.1, 0.9)
        for name in ("hidden", "width", "steps"):
            check_range(name, getattr(self, name), 1)
        check_range("batch", self.batch, 2)

    @property
    def least(self) -> int:
        return math.ceil(4 / min(self.fit, 1 - self.fit)) + 1

    def __call__(self, pairs: Pairs) -> list[Metric]:
        fit, judge = pairs.parted(self.fit)
        x, first = standard(fit.first, judge.first)
        y, second = standard(fit.second, judge.second)
        critic = fitted(
            lambda: Separable(x.shape[1], y.shape[1], self.hidden, self.width),
            x,
            y,
            jensen_shannon,
            self.steps,
            self.batch,
        )
        joint, partition = self._scores(critic, first, second)
        value = joint.mean().item() - partition.mean().log().item()
        low, high = bootstrap(joint - partition / partition.mean())  # the delta method: d log z = dz / z
        centre = joint.mean().item() - 1
        return [Metric(EMBEDDING, "nats", value, value + low - centre, value + high - centre)]

    def _scores(self, critic: torch.nn.Module, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """f of each pair, and for each first side the mean of the clipped exp f over all second sides but its own."""
        joint, partition = [], []
        for start in range(0, len(first), BLOCK):
            scores = critic(first[start : start + BLOCK], second)
            own = scores.diagonal(start)[: len(scores)]
            clipped = scores.clamp(-self.clip, self.clip).exp()
            clipped.diagonal(start)[: len(scores)].zero_()  # taken off a sum, a large one would drown the others
            joint.append(own.double())
            partition.append(clipped.double().sum(1) / (len(second) - 1))
        return torch.cat(joint), torch.cat(partition)


def jensen_shannon(scores: Tensor) -> Tensor:
    """The Jensen-Shannon loss of a critic: pairs on the diagonal, strangers off it."""
    own = scores.diagonal()
    others = softplus(scores).sum() - softplus(own).sum()
    return softplus(-own).mean() + others / (scores.numel() - len(own))
