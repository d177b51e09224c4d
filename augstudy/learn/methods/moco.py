"""MoCo: find the other view of a crop among the keys of many others."""

import copy
import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from lightly.models.modules import MoCoProjectionHead
from lightly.utils.debug import std_of_l2_normalized
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules

__all__ = ["MoCo"]


class Queue(nn.Module):
    """The last `size` keys in a ring; the oldest are overwritten, whatever the batch size.

    Args:
        size: K, keys kept.
        width: D of a key.
    """

    keys: Tensor
    place: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("keys", normalize(torch.randn(size, width), dim=1))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def push(self, keys: Tensor) -> None:
        """Add (B, D) keys; of more than K, the last K stay."""
        size = len(self.keys)
        slots = (self.place + torch.arange(len(keys), device=keys.device)) % size
        self.keys[slots[-size:]] = keys[-size:]
        self.place.copy_((self.place + len(keys)) % size)


class Tower(nn.Module):
    """An encoder and its projection head: images -> unit vectors."""

    def __init__(self, encoder: Encoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, h, w) -> (B, D)
        return normalize(self.head(self.encoder.embed(x)), dim=1)


class MoCoModules(Modules):
    """Query tower, key tower that follows it, and the queue."""

    def __init__(self, encoder: Encoder, settings: "MoCo", seed: int) -> None:
        super().__init__(encoder)
        self.settings, self.seed = settings, seed
        width = encoder.width()
        if settings.mlp:
            head: nn.Module = MoCoProjectionHead(width, settings.hidden or width, settings.dim)
        else:
            head = nn.Linear(width, settings.dim)
        self.query = Tower(encoder, head)
        self.key = copy.deepcopy(self.query).requires_grad_(False)
        self.queue = Queue(settings.queue, settings.dim)
        self.fresh: Tensor | None = None  # keys of this step, pushed once the loss has been taken

    def loss(self, batch: Batch) -> Tensor:
        q = self._split(self.query, batch.views[0])
        with torch.no_grad():
            self._follow()
            self.fresh = self._shuffled_keys(batch)
        logits = self._logits(q, self.fresh)
        return cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device))

    def _logits(self, q: Tensor, k: Tensor) -> Tensor:
        """(B, D), (B, D) -> (B, 1 + K): the positive first."""
        positive = (q * k).sum(1, keepdim=True)
        return torch.cat((positive, q @ self.queue.keys.T), 1) / self.settings.temperature

    def _split(self, tower: Tower, x: Tensor) -> Tensor:
        """Batch norm sees a part of the batch at a time, as it does on several devices."""
        return torch.cat([tower(part) for part in x.chunk(self.settings.bn_splits)])

    def _shuffled_keys(self, batch: Batch) -> Tensor:
        """Keys made in another order than queries, so that batch statistics do not tell which belong together."""
        order = rng.permutation(self.seed, "moco/shuffle", len(batch.index), batch.step).to(batch.views[1].device)
        keys = self._split(self.key, batch.views[1][order])
        return keys[order.argsort()]

    def _follow(self) -> None:
        """The key tower's weights move towards the query's."""
        pairs = zip(self.key.parameters(), self.query.parameters(), strict=True)
        for k, q in pairs:
            k.lerp_(q, 1 - self.settings.ema)

    def after_step(self) -> None:
        assert self.fresh is not None
        self.queue.push(self.fresh)

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        q, k = self.query(batch.views[0]), self.key(batch.views[1])
        logits = self._logits(q, k)
        target = torch.zeros(len(q), dtype=torch.long, device=q.device)
        size = logits.shape[1]
        return [
            Diagnostic("InfoNCE loss", cross_entropy(logits, target).item(), math.log(size), "lower", "nats"),
            Diagnostic(
                "top-1 of the positive", 100 * logits.argmax(1).eq(0).float().mean().item(), 100 / size, unit="%"
            ),
            Diagnostic("std of embeddings", float(std_of_l2_normalized(q)), 0.0),
        ]


@dataclass(frozen=True)
class MoCo(Method):
    """Momentum contrast; the defaults are version 2 on ImageNet.

    Args:
        dim: D of the embedding.
        queue: K, negatives kept. More than there are crops would hold a crop's own old keys.
        ema: momentum of the key tower.
        temperature: of the softmax; 0.07 in version 1.
        mlp: two-layer head (version 2) in place of a linear one (version 1).
        hidden: width of its hidden layer; 0 takes the encoder's.
        bn_splits: parts of a batch that batch norm sees apart; stands for the eight devices of the paper.

    Source: He et al., CVPR 2020; Chen et al., "Improved baselines with momentum contrastive learning", 2020.
    """

    batch_size: int = 256
    lr: float = 0.03
    weight_decay: float = 1e-4
    dim: int = 128
    queue: int = 65536
    ema: float = 0.999
    temperature: float = 0.2
    mlp: bool = True
    hidden: int = 0
    bn_splits: int = 8
    views: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("dim", self.dim, 1)
        check_range("queue", self.queue, 1)
        check_range("ema", self.ema, 0, 1)
        check_range("temperature", self.temperature, 1e-3, 10)
        check_range("hidden", self.hidden, 0)
        check_range("bn_splits", self.bn_splits, 1, self.batch_size // 2)

    def modules(self, encoder: Encoder, context: Context) -> MoCoModules:
        return MoCoModules(encoder, self, context.seed)
