"""SwAV: predict the prototypes of one view of a crop, shared out evenly over the batch, from another."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from lightly.models.modules import SwaVProjectionHead
from lightly.utils.debug import std_of_l2_normalized
from torch import Tensor, nn
from torch.nn.functional import log_softmax, normalize

from augstudy.core.build import check_range
from augstudy.core.errors import UserError
from augstudy.data.corpus import Source
from augstudy.learn.agreement import largest, matched
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.multicrop import passes
from augstudy.learn.queue import Queue
from augstudy.learn.transport import codes
from augstudy.learn.world import gathered, place

__all__ = ["SwAV"]


class SwAVModules(Modules):
    """Encoder, head, prototypes of length 1, each crop's label, and a queue of both views' embeddings, side by side."""

    labels: Tensor  # (N,) the prototype nearest to a crop's first view when it was seen last, -1 before
    pushed: Tensor

    def __init__(self, encoder: Encoder, settings: "SwAV", count: int) -> None:
        super().__init__(encoder)
        self.settings = settings
        self.head = SwaVProjectionHead(encoder.width(), settings.hidden, settings.dim)
        self.prototypes = nn.Parameter(normalize(torch.randn(settings.prototypes, settings.dim), dim=1))
        self.queue = Queue(settings.queue, settings.views * settings.dim)
        self.register_buffer("labels", torch.full((count,), -1))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.long))  # into the queue, ever
        self.epoch, self.known = 0, 0  # what `before_epoch` was told, and `pushed` without asking the device
        self.fresh: Tensor | None = None  # embeddings of this step, of all processes, queued after it

    def embed(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, dim), unit vectors."""
        return self.project(self.encoder.embed(x))

    def project(self, features: Tensor) -> Tensor:
        """(B, width) -> (B, dim), unit vectors."""
        return normalize(self.head(features), dim=1)

    def before_epoch(self, epoch: int, source: Source) -> None:
        self.epoch, self.known = epoch, int(self.pushed.item())

    def loss(self, batch: Batch) -> Tensor:
        """-sum(code of one of the first two views x log p of another), averaged over both and all others."""
        z, s = passes(self.encoder.embed, batch.views, self.project), self.settings
        prototypes = self.prototypes.detach() if self.epoch < s.frozen else self.prototypes
        scores = [view @ prototypes.T for view in z]  # (B, K) each
        log_p = [log_softmax(view.float() / s.temperature, 1) for view in scores]
        self.fresh = gathered(torch.cat(z[: s.views], 1).detach())
        self.labels[gathered(batch.index)] = gathered(scores[0].detach().argmax(1))
        losses = []
        for number in range(s.views):
            q = self._codes(scores[number], number)
            others = [-(q * p).sum(1).mean() for other, p in enumerate(log_p) if other != number]
            losses.append(torch.stack(others).mean())
        return torch.stack(losses).mean()

    @torch.no_grad()
    def _codes(self, scores: Tensor, view: int) -> Tensor:
        """(B, K), shared out evenly over the batches of all processes, and over the queue once it is full."""
        s, rank = self.settings, place()[0]
        everyones = gathered(scores.detach())
        if s.queue and self.known >= s.queue:
            everyones = torch.cat((everyones, self.queue.keys.chunk(s.views, 1)[view] @ self.prototypes.T))
        return codes(everyones, s.epsilon, s.iterations)[rank * len(scores) :][: len(scores)]

    @torch.no_grad()
    def after_step(self) -> None:
        self.prototypes.copy_(normalize(self.prototypes, dim=1))
        if self.settings.queue and self.epoch >= self.settings.queue_from:
            assert self.fresh is not None
            self.queue.push(self.fresh)
            self.pushed += len(self.fresh)
            self.known += len(self.fresh)

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        s = self.settings
        first, second = (self.embed(view) for view in batch.views[: s.views])
        scores = [(z @ self.prototypes.T).float() for z in (first, second)]
        q = codes(scores[0], s.epsilon, s.iterations)
        loss = -(q * log_softmax(scores[1] / s.temperature, 1)).sum(1).mean().item()
        a, b = (view.argmax(1) for view in scores)
        return [
            Diagnostic("swapped prediction loss", loss, math.log(s.prototypes), "lower", "nats"),
            matched("views at the same prototype", a, b),
            largest(a, s.prototypes),
            Diagnostic("std of embeddings", float(std_of_l2_normalized(first)), 0.0),
        ]


@dataclass(frozen=True)
class SwAV(Method):
    """Swapped prediction of soft cluster codes; the defaults are those of the released training on four GPUs.

    Codes come from the first two views, every view predicts those of the others. With fewer crops in a batch than
    prototypes, a queue of earlier embeddings joins the transport, from `queue_from` on and once it is full.

    Args:
        dim: D of the embedding.
        hidden: width of the projection head's hidden layer.
        prototypes: K.
        temperature: of the softmax over prototypes.
        epsilon: smoothness of the codes; towards 0 they become hard.
        iterations: of Sinkhorn-Knopp.
        queue: embeddings of each view that are kept, over all processes; 0 for none.
        queue_from: first epoch, from 0 on, whose embeddings are kept.
        frozen: epochs in which prototypes stay where they were drawn.

    Source: Caron et al., "Unsupervised learning of visual features by contrasting cluster assignments", NeurIPS 2020,
    and its released script for batches of 256.
    """

    epochs: int = 200
    batch_size: int = 256
    optimizer: str = "lars"
    lr: float = 0.6
    weight_decay: float = 1e-6
    dim: int = 128
    hidden: int = 2048
    prototypes: int = 3000
    temperature: float = 0.1
    epsilon: float = 0.05
    iterations: int = 3
    queue: int = 3840
    queue_from: int = 15
    frozen: int = 1
    lars_vectors: ClassVar[bool] = True  # as released
    views: ClassVar[int] = 2
    multicrop: ClassVar[bool] = True
    assigns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("dim", "hidden", "iterations"):
            check_range(name, getattr(self, name), 1)
        check_range("prototypes", self.prototypes, 2)
        check_range("temperature", self.temperature, 1e-3, 10)
        check_range("epsilon", self.epsilon, 1e-3, 10)
        for name in ("queue", "queue_from", "frozen"):
            check_range(name, getattr(self, name), 0)
        if self.queue and 0 < self.epochs <= self.queue_from:
            what = f"queue_from {self.queue_from} leaves none of {self.epochs} epochs for the queue"
            raise UserError(what, "Set method.queue_from to fewer, method.epochs to more, or method.queue to 0.")

    def modules(self, encoder: Encoder, context: Context) -> SwAVModules:
        return SwAVModules(encoder, self, context.count)
