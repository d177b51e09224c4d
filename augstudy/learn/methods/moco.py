"""MoCo: find the other view of a crop among the keys of many others."""

import copy
from dataclasses import dataclass
from typing import ClassVar

import torch
from lightly.models.modules import MoCoProjectionHead
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.core.errors import UserError
from augstudy.core.transfer import sent
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.contrast import Tower, judged
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.momentum import follow
from augstudy.learn.norm import parted
from augstudy.learn.queue import Queue
from augstudy.learn.world import gathered, place

__all__ = ["MoCo"]


class MoCoModules(Modules):
    """Query tower, key tower that follows it, and the queue."""

    def __init__(self, encoder: Encoder, settings: "MoCo", context: Context) -> None:
        super().__init__(encoder)
        self.settings, self.context = settings, context
        if 1 < settings.bn_splits > min(settings.batch_size, context.count) // 2:
            what = f"bn_splits {settings.bn_splits} leaves batch norm less than 2 of {context.count} crops a part"
            raise UserError(what, "Set method.bn_splits to less, or corpus.count to more.")
        width = encoder.width()
        if settings.mlp:
            head: nn.Module = MoCoProjectionHead(
                width, settings.hidden or width, settings.dim, batch_norm=settings.head_norm
            )
        else:
            head = nn.Linear(width, settings.dim)
        self.query = Tower(encoder, head)
        if settings.bn_splits > 1:
            parted(self.query, settings.bn_splits)
        self.key = copy.deepcopy(self.query).requires_grad_(False)
        self.queue = Queue(settings.queue, settings.dim)
        self.fresh: Tensor | None = None  # keys of this step, pushed once the loss has been taken

    def loss(self, batch: Batch) -> Tensor:
        return self.contrast(batch)[0]

    def contrast(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """InfoNCE against the queue, and the queries of the first and of all further views, (F B, D).

        Batch norm sees a view at a time.
        """
        follow(self.key, self.query, self.settings.ema)
        first, second, *further = batch.views
        queries, keys = [self.query(first)], [self._shuffled_keys(second, batch.step)]
        pairs = [(queries[0], keys[0])]
        if self.settings.symmetric:
            other = self.query(second)
            keys.append(self._shuffled_keys(first, batch.step))
            pairs.append((other, keys[1]))
        self.fresh = torch.cat(keys)
        queries += [self.query(view) for view in further]
        pairs += [(q, k) for q in queries[1:] for k in keys]
        return torch.stack([self._found(q, k) for q, k in pairs]).mean(), torch.cat(queries)

    def _found(self, q: Tensor, everyones: Tensor) -> Tensor:
        """Loss of finding each query's key.

        Args:
            q: (B, D) of this process.
            everyones: (W B, D) of all W processes, of which this one's are the positives.
        """
        k = everyones.view(-1, *q.shape)[place()[0]]
        return cross_entropy(self._logits(q, k), q.new_zeros(len(q), dtype=torch.long))

    def _logits(self, q: Tensor, k: Tensor) -> Tensor:
        """(B, D), (B, D) -> (B, 1 + K): the positive first."""
        positive = (q * k).sum(1, keepdim=True)
        return torch.cat((positive, q @ self.queue.keys.T), 1) / self.settings.temperature

    @torch.no_grad()
    def _shuffled_keys(self, views: Tensor, step: int) -> Tensor:
        """Keys made in another order than queries, so that batch statistics do not tell which belong together.

        Where several processes train together, each makes the keys of as many views from anywhere: what its batch norm
        sees is no more the batch of its queries than with one.

        Args:
            views: (B, 3, h, w) of this process.
            step: keys the order, which is the same in all processes.

        Returns:
            (W B, D), the keys of all W processes.
        """
        rank, count = place()
        views = gathered(views)
        order = rng.permutation(self.context.seed, "moco/shuffle", len(views), step)
        there, back = sent(torch.stack((order, order.argsort())), views.device)
        return gathered(self.key(views[there.chunk(count)[rank]]))[back]

    def after_step(self) -> None:
        assert self.fresh is not None
        self.queue.push(self.fresh)

    def projected(self, views: list[Tensor]) -> tuple[Tensor, Tensor]:
        return self.query(views[0]), self.key(views[1])

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        q, k = self.projected(batch.views)
        found = judged(self._logits(q, k), self.settings.temperature, q)
        if self.settings.queue > self.context.count:
            own = self.settings.queue / self.context.count
            found.append(Diagnostic("own old keys among a crop's negatives", own, 0.0, "lower"))
        return found


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
        head_norm: batch norm in the head, as in version 3; short trainings need it.
        symmetric: each view is query and key in turn, as in the authors' CIFAR demonstration; twice the work a step.
        bn_splits: parts of a batch that batch norm sees apart; stands for the eight devices of the paper.

    Of more than two views of a crop the first and the further ones are queries, with `symmetric` all; the loss is
    the mean over all pairs of a query and a key of another view. That form is ours; with two views it is the published
    loss.

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
    head_norm: bool = False
    symmetric: bool = False
    bn_splits: int = 8
    views: ClassVar[int] = 2
    multicrop: ClassVar[bool] = True
    contrasts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("dim", self.dim, 1)
        check_range("queue", self.queue, 1)
        check_range("ema", self.ema, 0, 1)
        check_range("temperature", self.temperature, 1e-3, 10)
        check_range("hidden", self.hidden, 0)
        check_range("bn_splits", self.bn_splits, 1, self.batch_size // 2)

    def norm_spans(self, devices: int) -> bool:
        """Each device norms its own parts, as published; a batch that is to be one part is normed by all together."""
        whole = super().norm_spans(devices) and self.bn_splits == 1
        if not whole and self.bn_splits % devices:
            what = f"the {self.bn_splits} parts of bn_splits cannot be shared out among {devices} devices"
            raise UserError(what, f"Set method.bn_splits to 1 or to a multiple of {devices}.")
        return whole

    def modules(self, encoder: Encoder, context: Context) -> MoCoModules:
        return MoCoModules(encoder, self, context)
