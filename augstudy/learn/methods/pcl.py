"""PCL: MoCo, and each query finds its cluster's prototype at several grains, the tighter the cluster the harder."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from augstudy.core import rng
from augstudy.core.build import check_choice, check_range
from augstudy.core.errors import UserError
from augstudy.core.transfer import sent
from augstudy.data.corpus import Source
from augstudy.learn.agreement import Agreement, largest, matched
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.kmeans import SEEDINGS, kmeans
from augstudy.learn.methods.base import Batch, Context, Diagnostic
from augstudy.learn.methods.moco import MoCo, MoCoModules
from augstudy.learn.reading import read

__all__ = ["PCL"]

SHARPEST = 0.01  # of the temperature: phi is never less, for a cluster of equal crops would divide by 0


class PCLModules(MoCoModules):
    """MoCo's towers and queue; prototypes and their concentration, those of all grains one after the other."""

    labels: Tensor  # (grains, N), -1 before there are clusters
    prototypes: Tensor  # (sum of K, D), unit vectors
    concentration: Tensor  # (sum of K,), phi: the temperature of each prototype

    def __init__(self, encoder: Encoder, settings: "PCL", context: Context) -> None:
        super().__init__(encoder, settings, context)
        self.pcl, total = settings, sum(settings.clusters)
        self.register_buffer("labels", torch.full((len(settings.clusters), context.count), -1))
        self.register_buffer("prototypes", torch.zeros(total, settings.dim))
        self.register_buffer("concentration", torch.full((total,), settings.temperature))
        self.agreement = Agreement(context)  # of the first grain
        self.clustered = False  # in this epoch; told anew before each

    def loss(self, batch: Batch) -> Tensor:
        loss, queries = self.contrast(batch)
        if not self.clustered:
            return loss
        terms = [self._grain(g, queries, batch) for g in range(len(self.labels))]
        return loss + torch.stack(terms).mean()

    def _grains(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Prototypes (K, D) and their phi (K,) of each grain; writing to them changes the buffers."""
        sizes = self.pcl.clusters
        return zip(self.prototypes.split(sizes), self.concentration.split(sizes), strict=True)

    def _grain(self, grain: int, queries: Tensor, batch: Batch) -> Tensor:
        """ProtoNCE of one grain: each query's own prototype among it and r others, each over its own phi.

        Args:
            queries: (F B, D), those of F views one after the other.
        """
        prototypes, phi = list(self._grains())[grain]
        own = self.labels[grain][batch.index].repeat(len(queries) // len(batch.index))
        positive = (queries * prototypes[own]).sum(1, keepdim=True) / phi[own, None]
        drawn = self._drawn(grain, batch.step)
        others = queries @ prototypes[drawn].T / phi[drawn]  # (F B, r)
        others = others.masked_fill(drawn == own[:, None], float("-inf"))
        return cross_entropy(torch.cat((positive, others), 1), torch.zeros_like(own))

    def _drawn(self, grain: int, step: int) -> Tensor:
        """Numbers of the prototypes that all queries of a step are compared with: (r,), or (K,) of fewer."""
        count, device = self.pcl.clusters[grain], self.labels.device
        if count <= self.pcl.queue:
            return torch.arange(count, device=device)
        order = rng.permutation(self.context.seed, f"pcl/negatives/{grain}", count, step)
        return sent(order[: self.pcl.queue], device)

    @torch.no_grad()
    def before_epoch(self, epoch: int, source: Source) -> None:
        """Cluster what the key tower makes of all crops as they are, at each grain."""
        self.clustered = epoch >= self.pcl.infonce_epochs
        if not self.clustered:
            return
        self.agreement.remember(self.labels[0], source)
        self.eval()
        x = read(self.key, source, self.pcl.centre, self.prototypes.new_empty((len(source), self.pcl.dim)))
        self.train()
        for grain, (prototypes, phi) in enumerate(self._grains()):
            labels, centroids = self._clusters(x, len(prototypes), f"pcl/kmeans/{grain}/{epoch}")
            self.labels[grain] = labels
            prototypes.copy_(normalize(centroids, dim=1))
            phi.copy_(concentration(x, labels, centroids, self.pcl.temperature, self.pcl.alpha))

    def _clusters(self, x: Tensor, count: int, stream: str) -> tuple[Tensor, Tensor]:
        """Labels and centroids of the best of several k-means, that with the smallest sum of squared distances."""
        s, best = self.pcl, None
        for restart in range(s.restarts):
            labels, centroids, _ = kmeans(x, count, s.iterations, self.context.seed, f"{stream}/{restart}", s.seeding)
            spread = (x - centroids[labels]).square().sum().item()
            if best is None or spread < best[0]:
                best = spread, labels, centroids
        assert best is not None
        return best[1], best[2]

    def rehearse(self) -> None:
        self.clustered = True
        self.labels.random_(min(self.pcl.clusters))
        self.prototypes.copy_(normalize(torch.randn_like(self.prototypes), dim=1))

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        found = super().diagnostics(batch)
        if self.labels[0, 0] < 0:
            return found
        prototypes, _ = next(self._grains())
        a, b = ((z @ prototypes.T).argmax(1) for z in self.projected(batch.views))
        return [
            *found,
            matched("views in the same cluster", a, b),
            largest(self.labels[0], len(prototypes)),
            *self.agreement.diagnostics(self.labels[0]),
        ]


def concentration(x: Tensor, labels: Tensor, centroids: Tensor, temperature: float, alpha: float) -> Tensor:
    """phi of each cluster: mean distance to its centroid over log(size + alpha), scaled so that its mean is the
    temperature; small where many crops lie close together.

    Clusters of one crop take the largest phi, and what lies beyond the 10th and the 90th percentile takes these, as in
    the released code.

    Args:
        x: (N, D) features.
        labels: (N,) cluster of each.
        centroids: (K, D).

    Returns:
        (K,).

    Source: Li et al., ICLR 2021, section 3.3, equation 12.
    """
    distance = (x - centroids[labels]).norm(dim=1)
    counts = labels.bincount(minlength=len(centroids))
    total = torch.zeros_like(centroids[:, 0]).index_add_(0, labels, distance)
    phi = torch.where(counts > 1, total / counts.clamp(min=1) / (counts + alpha).log(), 0.0)
    phi = torch.where(counts > 1, phi, phi.max())
    low, high = phi.quantile(phi.new_tensor([0.1, 0.9]))
    phi = phi.clamp(low, high)
    return (phi / phi.mean().clamp(min=1e-12)).clamp(min=SHARPEST) * temperature


@dataclass(frozen=True)
class PCL(MoCo):
    """MoCo v2 plus ProtoNCE over clusters at several grains; the defaults are those of the released code's version 2.

    Args:
        queue: keys kept, and r, the most prototypes that a query is compared with besides its own.
        clusters: K of each grain, at most as many as there are crops.
        infonce_epochs: epochs of MoCo alone before the first clusters.
        alpha: smooths phi of small clusters.
        iterations: k-means steps.
        restarts: k-means of each grain, of which the best is kept.
        seeding: first centroids: "random" embeddings, as published, or "k-means++".
        centre: side in pixels of the central square of a crop that clustering looks at; smaller crops are seen whole.

    The other settings are MoCo's. Of more than two views of a crop all but the second are queries of ProtoNCE.

    Source: Li, Zhou, Xiong, Hoi, "Prototypical contrastive learning of unsupervised representations", ICLR 2021,
    equations 11 and 12; code salesforce/PCL.
    """

    queue: int = 16384
    clusters: tuple[int, ...] = (25000, 50000, 100000)
    infonce_epochs: int = 20
    alpha: float = 10.0
    iterations: int = 20
    restarts: int = 5
    seeding: str = "random"
    centre: int = 224
    assigns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.clusters:
            raise UserError("clusters: the list is empty", "Give K of at least one grain, such as [1000].")
        for count in self.clusters:
            check_range("clusters", count, 2)
        check_range("infonce_epochs", self.infonce_epochs, 0)
        if 0 < self.epochs <= self.infonce_epochs:
            what = f"infonce_epochs {self.infonce_epochs} leave none of {self.epochs} epochs for the prototypes"
            raise UserError(what, f"Set infonce_epochs to {self.epochs - 1} or less, or epochs to more.")
        check_range("alpha", self.alpha, 1)
        check_range("iterations", self.iterations, 1)
        check_range("restarts", self.restarts, 1)
        check_choice("seeding", self.seeding, SEEDINGS)
        check_range("centre", self.centre, 8)

    def modules(self, encoder: Encoder, context: Context) -> PCLModules:
        if max(self.clusters) > context.count:
            what = f"clusters {max(self.clusters)} are more than the {context.count} crops"
            raise UserError(what, "Set method.clusters to fewer, or corpus.count to more.")
        return PCLModules(encoder, self, context)

    def passes(self) -> int:
        return max(0, self.epochs - self.infonce_epochs)
