"""DeepCluster-v2: cluster the embeddings of the epoch before, and match both views to their crop's cluster."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from augstudy.core.build import check_choice, check_range
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.kmeans import SEEDINGS, kmeans
from augstudy.learn.methods.base import Context, Method
from augstudy.learn.remembered import Remembered, check_settings

__all__ = ["DeepClusterV2"]


class DeepClusterV2Modules(Remembered):
    """Prototypes that are the centroids of the last clustering, fixed until the next."""

    settings: "DeepClusterV2"

    def __init__(self, encoder: Encoder, settings: "DeepClusterV2", context: Context) -> None:
        zeros = [nn.Parameter(torch.zeros(k, settings.dim), requires_grad=False) for k in settings.prototypes]
        super().__init__(encoder, settings, context, zeros)

    def cluster(self, head: int, epoch: int) -> None:
        s, prototypes, stream = self.settings, self.prototypes[head], f"deepcluster_v2/kmeans/{head}/{epoch}"
        x, seed = self.remembered(head), self.context.seed
        labels, centroids, _ = kmeans(x, len(prototypes), s.iterations, seed, stream, s.seeding, spherical=True)
        self.labels[head] = labels
        prototypes.zero_()
        prototypes[: len(centroids)] = centroids  # fewer only if there are fewer crops


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
    lars_vectors: ClassVar[bool] = True  # as released
    views: ClassVar[int] = 2
    multicrop: ClassVar[bool] = True
    assigns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_settings(self)
        check_range("iterations", self.iterations, 1)
        check_choice("seeding", self.seeding, SEEDINGS)

    def passes(self) -> int:
        return min(1, self.epochs)  # before the first epoch; later ones cluster what steps have remembered

    def modules(self, encoder: Encoder, context: Context) -> DeepClusterV2Modules:
        return DeepClusterV2Modules(encoder, self, context)
