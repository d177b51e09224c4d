"""NPID: tell each crop from all others by a memory of their embeddings, without weights for classes."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, logsigmoid, normalize

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.contrast import Tower, judged, paired
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.world import gathered

__all__ = ["NPID"]

DENSE = 32  # up to so many crops for each that is drawn, cosines with all of them cost less than fetching the drawn


class NPIDModules(Modules):
    """Encoder with a linear head, and the memory: one unit vector a crop."""

    memory: Tensor  # (N, D)
    partition: Tensor  # Z of the softmax, 0 until the first batch has told it

    def __init__(self, encoder: Encoder, settings: "NPID", context: Context) -> None:
        super().__init__(encoder)
        self.settings, self.context = settings, context
        self.tower = Tower(encoder, nn.Linear(encoder.width(), settings.dim))
        self.register_buffer("memory", normalize(torch.randn(context.count, settings.dim), dim=1))
        self.register_buffer("partition", torch.zeros(()))
        self.fresh: tuple[Tensor, Tensor] | None = None  # crops and embeddings of this step, remembered after it

    def loss(self, batch: Batch) -> Tensor:
        z, index = self.tower(batch.views[0]).float(), batch.index  # half under mixed precision
        self.fresh = index, z.detach()
        loss = self._estimated(z, batch) if self.settings.negatives else self._exact(z, index)
        if self.settings.proximal:
            loss = loss + self.settings.proximal * (z - self.memory[index]).square().sum(1).mean()
        return loss

    def _exact(self, z: Tensor, index: Tensor) -> Tensor:
        """Cross-entropy of the crop among all crops: equation 2."""
        return cross_entropy(z @ self.memory.T / self.settings.temperature, index)

    def _estimated(self, z: Tensor, batch: Batch) -> Tensor:
        """Noise-contrastive estimation: is it the crop's own vector, or one of m drawn from all? Equations 5 to 8."""
        own = (z * self.memory[batch.index]).sum(1, keepdim=True)
        logits = torch.cat((own, self._scores(z, self._drawn(batch))), 1).float() / self.settings.temperature
        # Log odds of the data against the noise: log P(i | v) - log(m / N), with P = exp(logits) / Z.
        odds = logits - self._partition(logits[:, 1:]).log() - math.log(self.settings.negatives / len(self.memory))
        return -(logsigmoid(odds[:, 0]) + logsigmoid(-odds[:, 1:]).sum(1)).mean()

    def _scores(self, z: Tensor, drawn: Tensor) -> Tensor:
        """Cosines of each embedding with the vectors drawn for it: (B, D), (B, m) -> (B, m)."""
        if len(self.memory) <= DENSE * drawn.shape[1]:
            return (z @ self.memory.T).gather(1, drawn)
        return torch.bmm(self.memory[drawn], z[:, :, None])[:, :, 0]

    def _drawn(self, batch: Batch) -> Tensor:
        """Numbers of the crops drawn as noise for each of the batch, uniformly from all: (B, m) int64."""
        u = rng.uniform(self.context.seed, "npid/noise", batch.index, self.settings.negatives, batch.step)
        return (u * len(self.memory)).long().clamp(max=len(self.memory) - 1)

    @torch.no_grad()
    def _partition(self, noise: Tensor) -> Tensor:
        """Z, N times the mean of exp over the noise of the first batch, and constant from then on."""
        first = len(self.memory) * gathered(noise.exp().mean()[None]).mean()  # of all processes
        self.partition.copy_(torch.where(self.partition > 0, self.partition, first))
        return self.partition

    @torch.no_grad()
    def after_step(self) -> None:
        """What was remembered of these crops moves towards what was just seen of them."""
        assert self.fresh is not None
        index, z = map(gathered, self.fresh)
        self.memory[index] = normalize(torch.lerp(z, self.memory[index], self.settings.memory_momentum), dim=1)

    def projected(self, views: list[Tensor]) -> tuple[Tensor, Tensor]:
        return self.tower(views[0]), self.tower(views[1])

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        """On held-out crops, of which nothing is remembered: find the other view among those of the others."""
        first, second = self.projected(batch.views)
        return judged(paired(first, second, self.settings.temperature), self.settings.temperature, first)


@dataclass(frozen=True)
class NPID(Method):
    """Non-parametric instance discrimination; the defaults are those of the released ImageNet training.

    Args:
        dim: D of the embedding and of the memory, which holds N x D floats (656 MB for 1,281,167 crops).
        temperature: of the softmax.
        negatives: m, vectors of the memory that are drawn as noise for each crop; 0 takes the softmax over all N.
        memory_momentum: share of the old vector in the new one, before it is scaled to length 1.
        proximal: lambda, weight of the squared distance of an embedding to what is remembered of its crop. The paper
            has the term (equation 10), the released code leaves it out.

    Source: Wu, Xiong, Yu, Lin, "Unsupervised feature learning via non-parametric instance discrimination", CVPR 2018,
    sections 3.1 to 3.3; code zhirongw/lemniscate.pytorch.
    """

    batch_size: int = 256
    lr: float = 0.03
    weight_decay: float = 1e-4
    schedule: str = "steps"
    milestones: tuple[float, ...] = (0.6, 0.8)  # 120 and 160 of 200 epochs
    dim: int = 128
    temperature: float = 0.07
    negatives: int = 4096
    memory_momentum: float = 0.5
    proximal: float = 0.0
    contrasts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("dim", self.dim, 1)
        check_range("temperature", self.temperature, 0.02, 10)  # N times exp of its inverse must be a float
        check_range("negatives", self.negatives, 0)
        check_range("memory_momentum", self.memory_momentum, 0, 1)
        check_range("proximal", self.proximal, 0)

    def modules(self, encoder: Encoder, context: Context) -> NPIDModules:
        return NPIDModules(encoder, self, context)
