"""DeepCluster: cluster the features, learn to predict the clusters, and again."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from augstudy.core import rng
from augstudy.core.build import check_choice, check_range
from augstudy.data.corpus import Source
from augstudy.learn.agreement import Agreement, largest
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.kmeans import SEEDINGS, kmeans, pca_whiten
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.reading import read

__all__ = ["DeepCluster"]


class DeepClusterModules(Modules):
    """Encoder, hidden layers, and a classifier over the clusters of this epoch."""

    labels: Tensor
    reseeded: Tensor

    def __init__(self, encoder: Encoder, settings: "DeepCluster", context: Context) -> None:
        super().__init__(encoder)
        self.settings, self.context = settings, context
        width, layers = encoder.width(), []
        for hidden in settings.hidden:
            layers += [nn.Dropout(settings.dropout), nn.Linear(width, hidden), nn.ReLU(inplace=True)]
            width = hidden
        # Features are read before the last ReLU, as published: after it, half of what k-means sees would be zero.
        self.hidden = nn.Sequential(*layers[:-1])
        self.last = nn.ReLU(inplace=True) if layers else nn.Identity()
        self.head = nn.Linear(width, settings.clusters)
        self.register_buffer("labels", torch.full((context.count,), -1))
        self.agreement = Agreement(context)
        self.register_buffer("reseeded", torch.zeros((), dtype=torch.long))

    def groups(self) -> dict[str, list[nn.Parameter]]:
        return {"trunk": [*self.encoder.parameters(), *self.hidden.parameters()], "head": [*self.head.parameters()]}

    def loss(self, batch: Batch) -> Tensor:
        features = self.last(self.hidden(self.encoder.embed(batch.views[0])))
        return cross_entropy(self.head(features), self.labels[batch.index])

    def before_epoch(self, epoch: int, source: Source) -> Tensor:
        """Cluster the whole source anew and start a new classifier, for cluster numbers mean nothing across epochs."""
        seed, s = self.context.seed, self.settings
        x = pca_whiten(self._features(source), s.pca)
        x /= x.norm(dim=1, keepdim=True).clamp_(min=1e-12)  # in place, as whitening is: they are held once
        stream = f"deepcluster/kmeans/{epoch}"
        labels, _, reseeded = kmeans(x, s.clusters, s.iterations, seed, stream, s.seeding)
        self.agreement.remember(self.labels, source)
        self.labels.copy_(labels)
        self.reseeded.fill_(reseeded)
        with rng.torch_seeded(seed, f"deepcluster/head/{epoch}"):
            nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)
        return uniform_over_clusters(labels.cpu(), seed, epoch)

    def rehearse(self) -> None:
        self.labels.random_(self.settings.clusters)

    def _features(self, source: Source) -> Tensor:
        """Features of the crops' centres, in eval mode: (N, D). Training sees harder views than clustering does."""
        self.eval()
        x = self.labels.new_empty((len(source), self.head.in_features), dtype=torch.float)
        read(lambda crops: self.hidden(self.encoder.embed(crops)), source, self.settings.centre, x)
        self.train()
        return x

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        return [
            *self.agreement.diagnostics(self.labels),
            largest(self.labels, self.settings.clusters),
            Diagnostic("empty clusters re-seeded", self.reseeded.item(), 0, "lower"),
        ]


def uniform_over_clusters(labels: Tensor, seed: int, epoch: int) -> Tensor:
    """An order of N crop numbers in which every non-empty cluster comes about equally often.

    Without it the network could win by putting all crops in one large cluster. A cluster smaller than its share is
    repeated.

    Source: Caron et al., ECCV 2018, section 3.3.
    """
    n = len(labels)
    counts = labels.unique(return_counts=True)[1].tolist()
    share = n // len(counts) + 1
    order = rng.permutation(seed, "deepcluster/draw", n, epoch)
    groups = order[labels[order].argsort(stable=True)].split(counts)  # each cluster's members in the order drawn
    chosen = torch.cat([members.repeat(-(-share // len(members)))[:share] for members in groups])
    return chosen[rng.permutation(seed, "deepcluster/order", len(chosen), epoch)][:n]


@dataclass(frozen=True)
class DeepCluster(Method):
    """Classify crops by the k-means cluster that their features fell in at the start of the epoch.

    The published Sobel front end is a setting of the backbone (`AlexNet.sobel`), not of the method.

    Args:
        clusters: K.
        pca: dimensions kept before whitening; then each feature is scaled to length 1.
        iterations: k-means steps.
        seeding: first centroids: "random" crops, as published, or "k-means++".
        centre: side in pixels of the central square of a crop that clustering looks at; smaller crops are seen whole.
        hidden: widths of the fully connected layers between encoder and classifier.
        dropout: before each of them.
        head_lr: largest learning rate of the classifier, which starts anew each epoch.

    Source: Caron et al., ECCV 2018, and its released code (224 px at the centre of 256).
    """

    batch_size: int = 256
    lr: float = 0.05
    weight_decay: float = 1e-5
    schedule: str = "constant"
    clusters: int = 10000
    pca: int = 256
    iterations: int = 20
    seeding: str = "random"
    centre: int = 224
    hidden: tuple[int, ...] = (4096, 4096)
    dropout: float = 0.5
    head_lr: float = 0.05
    assigns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("clusters", self.clusters, 2)
        check_range("pca", self.pca, 1)
        check_range("iterations", self.iterations, 1)
        check_choice("seeding", self.seeding, SEEDINGS)
        check_range("centre", self.centre, 8)
        check_range("dropout", self.dropout, 0, 1)
        check_range("head_lr", self.head_lr, 0)
        check_range("lr", self.lr, 1e-12)

    def modules(self, encoder: Encoder, context: Context) -> DeepClusterModules:
        return DeepClusterModules(encoder, self, context)

    def passes(self) -> int:
        return self.epochs

    def pace(self, group: str) -> float:
        return self.head_lr / self.lr if group == "head" else 1.0

    def optimizers(self, modules: Modules) -> dict[str, torch.optim.Optimizer]:
        """The classifier has plain SGD of its own: without momentum, nothing of the last epoch's clusters stays."""
        groups = modules.groups()
        head = torch.optim.SGD(groups["head"], self.head_lr, weight_decay=self.weight_decay)
        return {"trunk": self.optimizer_for(groups["trunk"]), "head": head}
