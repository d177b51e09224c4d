"""DeepCluster-v2: cluster the embeddings of the epoch before, and match both views to their crop's cluster."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from lightly.models.modules import SwaVProjectionHead
from lightly.utils.debug import std_of_l2_normalized
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from augstudy.core.build import check_choice, check_range
from augstudy.core.errors import UserError
from augstudy.data.corpus import Source
from augstudy.learn.agreement import Agreement, largest
from augstudy.learn.backbones.base import Encoder, signed
from augstudy.learn.kmeans import SEEDINGS, kmeans
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.multicrop import passes

__all__ = ["DeepClusterV2"]


class DeepClusterV2Modules(Modules):
    """Encoder and projection head; the memory of embeddings; prototypes and labels, one of each a head."""

    memory: Tensor
    labels: Tensor

    def __init__(self, encoder: Encoder, settings: "DeepClusterV2", context: Context) -> None:
        super().__init__(encoder)
        self.settings, self.context = settings, context
        self.head = SwaVProjectionHead(encoder.width(), settings.hidden, settings.dim)
        heads, views, n = len(settings.prototypes), settings.views, context.count
        self.register_buffer("memory", torch.zeros(views, n, settings.dim))
        self.register_buffer("labels", torch.full((heads, n), -1))
        self.agreement = Agreement(context)  # of the first head
        self.prototypes = nn.ParameterList(
            nn.Parameter(torch.zeros(k, settings.dim), requires_grad=False) for k in settings.prototypes
        )
        self.fresh: tuple[Tensor, Tensor] | None = None  # crops and embeddings of this step, remembered after it

    def embed(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, dim), unit vectors."""
        return normalize(self.head(self.encoder.embed(x)), dim=1)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of each view and head against the cluster of the view's crop, averaged.

        Of further views none is remembered: clusters are those of the first two.
        """
        views = passes(self.embed, batch.views)
        z = torch.cat(views)  # (V B, dim)
        self.fresh = batch.index, torch.stack(views[: self.settings.views]).detach()
        losses = [
            cross_entropy(z @ prototypes.T / self.settings.temperature, labels[batch.index].repeat(len(batch.views)))
            for prototypes, labels in zip(self.prototypes, self.labels, strict=True)
        ]
        return torch.stack(losses).mean()

    def rehearse(self) -> None:
        self.labels.random_(min(self.settings.prototypes))

    def after_step(self) -> None:
        assert self.fresh is not None
        index, z = self.fresh
        self.memory[:, index] = z.to(self.memory.dtype)

    @torch.no_grad()
    def before_epoch(self, epoch: int, source: Source) -> None:
        """Each head clusters one view's memory; the centroids are its prototypes, fixed until the next epoch."""
        s, seed = self.settings, self.context.seed
        if epoch == 0:
            self._remember(source)
        self.agreement.remember(self.labels[0], source)
        for h, prototypes in enumerate(self.prototypes):
            stream, x = f"deepcluster_v2/kmeans/{h}/{epoch}", self.memory[h % s.views]
            labels, centroids, _ = kmeans(x, len(prototypes), s.iterations, seed, stream, s.seeding, spherical=True)
            self.labels[h] = labels
            prototypes.zero_()
            prototypes[: len(centroids)] = centroids  # fewer only if there are fewer crops

    def _remember(self, source: Source) -> None:
        """Fill the memory with the crops as they are, batch norm in training mode, for it has no statistics yet."""
        n = len(source)
        for index in torch.arange(n).tensor_split(-(-n // self.settings.batch_size)):
            self.memory[:, index[0] : index[-1] + 1] = self.embed(signed(source.batch(index))).to(self.memory.dtype)

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        first, second = (self.embed(view) for view in batch.views[:2])
        a, b = ((z @ self.prototypes[0].T).argmax(1) for z in (first, second))
        same, chance = (100 * a.eq(other).float().mean().item() for other in (b, b.roll(1)))
        return [
            Diagnostic("views in the same cluster", same, chance, unit="%"),
            largest(self.labels[0], len(self.prototypes[0])),
            Diagnostic("std of embeddings", float(std_of_l2_normalized(first)), 0.0),
            *self.agreement.diagnostics(self.labels[0]),
        ]


@dataclass(frozen=True)
class DeepClusterV2(Method):
    """Classify both views of a crop by the spherical k-means cluster of its embeddings in the epoch before.

    Embeddings are remembered as they pass, so clustering costs no pass of its own, and centroids serve as prototypes,
    so there is no classifier to begin anew. Batch size and rate are the published 4096 and 4.8, both divided by 16.

    Args:
        dim: D of the embedding.
        hidden: width of the projection head's hidden layer.
        prototypes: K of each head; heads take turns in whose view's memory they cluster.
        temperature: of the softmax over prototypes.
        iterations: k-means steps.
        seeding: first centroids: "random" embeddings, as published, or "k-means++".

    Source: Caron et al., "Unsupervised learning of visual features by contrasting cluster assignments", NeurIPS 2020,
    appendix, and the released script of the training with two views of 224 px.
    """

    epochs: int = 400
    batch_size: int = 256
    optimizer: str = "lars"
    lr: float = 0.3
    weight_decay: float = 1e-6
    warmup: float = 0.025
    dim: int = 128
    hidden: int = 2048
    prototypes: tuple[int, ...] = (3000, 3000, 3000)
    temperature: float = 0.1
    iterations: int = 10
    seeding: str = "random"
    views: ClassVar[int] = 2
    multicrop: ClassVar[bool] = True
    assigns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("dim", self.dim, 1)
        check_range("hidden", self.hidden, 1)
        if not self.prototypes:
            raise UserError("prototypes: the list is empty", "Give K of at least one head, such as [3000].")
        for count in self.prototypes:
            check_range("prototypes", count, 2)
        check_range("temperature", self.temperature, 1e-3, 10)
        check_range("iterations", self.iterations, 1)
        check_choice("seeding", self.seeding, SEEDINGS)

    def passes(self) -> int:
        return min(1, self.epochs)  # before the first epoch; later ones cluster what steps have remembered

    def modules(self, encoder: Encoder, context: Context) -> DeepClusterV2Modules:
        return DeepClusterV2Modules(encoder, self, context)
