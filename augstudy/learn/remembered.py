"""What DeepCluster-v2 and SeLa-v2 share: crops are clustered by what their embeddings were when they last passed."""

from abc import abstractmethod
from typing import Protocol

import torch
from lightly.models.modules import SwaVProjectionHead
from lightly.utils.debug import std_of_l2_normalized
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from augstudy.core.build import check_range
from augstudy.core.errors import UserError
from augstudy.data.corpus import Source
from augstudy.learn.agreement import Agreement, largest, matched
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Modules
from augstudy.learn.multicrop import passes
from augstudy.learn.reading import read_training
from augstudy.learn.world import gathered

__all__ = ["Remembered", "Settings", "check_settings"]


class Settings(Protocol):
    """What the modules must know of their method."""

    @property
    def views(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def dim(self) -> int: ...
    @property
    def hidden(self) -> int: ...
    @property
    def prototypes(self) -> tuple[int, ...]: ...
    @property
    def temperature(self) -> float: ...


def check_settings(settings: Settings) -> None:
    """Raises UserError where a setting that both methods have is out of range."""
    check_range("dim", settings.dim, 1)
    check_range("hidden", settings.hidden, 1)
    if not settings.prototypes:
        raise UserError("prototypes: the list is empty", "Give K of at least one head, such as [3000].")
    for count in settings.prototypes:
        check_range("prototypes", count, 2)
    check_range("temperature", settings.temperature, 1e-3, 10)


class Remembered(Modules):
    """Encoder and projection head; the memory of embeddings; prototypes and labels, one of each a head."""

    settings: Settings
    memory: Tensor
    labels: Tensor

    def __init__(self, encoder: Encoder, settings: Settings, context: Context, prototypes: list[nn.Parameter]) -> None:
        super().__init__(encoder)
        self.settings, self.context = settings, context
        self.head = SwaVProjectionHead(encoder.width(), settings.hidden, settings.dim)
        heads, views, n = len(prototypes), settings.views, context.count
        self.register_buffer("memory", torch.zeros(views, n, settings.dim))
        self.register_buffer("labels", torch.full((heads, n), -1))
        self.agreement = Agreement(context)  # of the first head
        self.prototypes = nn.ParameterList(prototypes)
        self.fresh: tuple[Tensor, Tensor] | None = None  # crops and embeddings of this step, remembered after it

    @abstractmethod
    def cluster(self, head: int, epoch: int) -> None:
        """New labels of all crops in one head, found in what is remembered of one view (see `remembered`)."""

    def remembered(self, head: int) -> Tensor:
        """Heads take turns in whose view's memory they cluster: (N, dim)."""
        return self.memory[head % len(self.memory)]

    def embed(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, dim), unit vectors."""
        return self.project(self.encoder.embed(x))

    def project(self, features: Tensor) -> Tensor:
        """(B, width) -> (B, dim), unit vectors."""
        return normalize(self.head(features), dim=1)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of each view and head against the cluster of the view's crop, averaged.

        Of further views none is remembered: clusters are those of the first two.
        """
        views = passes(self.encoder.embed, batch.views, self.project)
        z = torch.cat(views)  # (V B, dim)
        self.fresh = batch.index, torch.stack(views[: len(self.memory)]).detach()
        losses = [
            cross_entropy(z @ prototypes.T / self.settings.temperature, labels[batch.index].repeat(len(views)))
            for prototypes, labels in zip(self.prototypes, self.labels, strict=True)
        ]
        return torch.stack(losses).mean()

    def rehearse(self) -> None:
        self.labels.random_(min(self.settings.prototypes))

    def after_step(self) -> None:
        assert self.fresh is not None
        index, z = self.fresh
        everyones = gathered(z.transpose(0, 1)).transpose(0, 1)  # (V, W B, dim)
        self.memory[:, gathered(index)] = everyones.to(self.memory.dtype)

    @torch.no_grad()
    def before_epoch(self, epoch: int, source: Source) -> None:
        if epoch == 0:
            # The crops as they are, in training mode, for batch norm has no statistics yet.
            self.memory[1:] = read_training(self.embed, source, self.settings.batch_size, self.memory[0])
        self.agreement.remember(self.labels[0], source)
        for head in range(len(self.prototypes)):
            self.cluster(head, epoch)

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        first, second = (self.embed(view) for view in batch.views[:2])
        a, b = ((z @ self.prototypes[0].T).argmax(1) for z in (first, second))
        return [
            matched("views in the same cluster", a, b),
            largest(self.labels[0], len(self.prototypes[0])),
            Diagnostic("std of embeddings", float(std_of_l2_normalized(first)), 0.0),
            *self.agreement.diagnostics(self.labels[0]),
        ]
