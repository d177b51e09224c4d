"""NNCLR: find the other view of a crop by its nearest neighbour among crops seen before."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from lightly.models.modules import NNCLRPredictionHead, NNCLRProjectionHead
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from augstudy.core.build import check_range
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.contrast import Tower, judged, paired
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.multicrop import crossed
from augstudy.learn.queue import Queue
from augstudy.learn.world import everyones, gathered, rows

__all__ = ["NNCLR"]


class NNCLRModules(Modules):
    """Encoder with its projection head, the prediction head, and the support set."""

    def __init__(self, encoder: Encoder, settings: "NNCLR") -> None:
        super().__init__(encoder)
        self.settings = settings
        self.tower = Tower(encoder, NNCLRProjectionHead(encoder.width(), settings.hidden, settings.dim))
        self.predictor = NNCLRPredictionHead(settings.dim, settings.predictor_hidden, settings.dim)
        self.support = Queue(settings.queue, settings.dim)
        self.fresh: Tensor | None = None  # first views of this step, which join the support set after it

    def embedded(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors (B, D) of a view, and of what is predicted from it: from its projection at its own length.

        Source: lightly's and solo-learn's code; only what is compared is scaled.
        """
        projection = self.tower.head(self.encoder.embed(x))
        return normalize(projection.float(), dim=1), normalize(self.predictor(projection).float(), dim=1)

    def loss(self, batch: Batch) -> Tensor:
        # Apart, as published: batch norm sees a view at a time.
        projections, predictions = zip(*(self.embedded(view) for view in batch.views), strict=True)
        self.fresh = gathered(projections[0].detach())
        neighbours = [self.support.nearest(z.detach()) for z in projections[:2]]
        pairs = crossed(neighbours, [everyones(p) for p in predictions])
        return torch.stack([self._found(n, p) for n, p in pairs]).mean()

    def _found(self, neighbours: Tensor, among: Tensor) -> Tensor:
        """Cross-entropy of finding, from the neighbour of a view, the prediction of another view of its crop.

        Args:
            neighbours: (B, D) of this process.
            among: (W B, D), the predictions of all W processes.
        """
        return cross_entropy(neighbours @ among.T / self.settings.temperature, rows(neighbours))

    def after_step(self) -> None:
        assert self.fresh is not None
        self.support.push(self.fresh)

    def projected(self, views: list[Tensor]) -> tuple[Tensor, Tensor]:
        return self.embedded(views[0])[0], self.embedded(views[1])[1]

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        first, predicted = self.projected(batch.views)
        neighbours = self.support.nearest(first)
        found = judged(paired(neighbours, predicted, self.settings.temperature), self.settings.temperature, first)
        near = (first * neighbours).sum(1).mean().item()
        return [*found, Diagnostic("cosine of nearest neighbours", near, (first @ self.support.keys.T).mean().item())]


@dataclass(frozen=True)
class NNCLR(Method):
    """SimCLR whose positive is the nearest neighbour of a view in a queue; the defaults are those of ImageNet.

    Args:
        temperature: of the softmax.
        dim: D of the embedding.
        hidden: width of both hidden layers of the projection head.
        predictor_hidden: width of the hidden layer of the prediction head.
        queue: size of the support set, first views of the last batches.

    Of more than two views of a crop each prediction is to be found from the neighbours of the first two, those of other
    views than its own.

    Source: Dwibedi, Aytar, Tompson, Sermanet, Zisserman, "With a little help from my friends: nearest-neighbor
    contrastive learning of visual representations", ICCV 2021, equations 2 to 5 and section 4.1.
    """

    epochs: int = 1000
    batch_size: int = 4096
    optimizer: str = "lars"
    lr: float = 4.8
    weight_decay: float = 1e-6
    warmup: float = 0.01
    temperature: float = 0.1
    dim: int = 256
    hidden: int = 2048
    predictor_hidden: int = 4096
    queue: int = 98304
    views: ClassVar[int] = 2
    multicrop: ClassVar[bool] = True
    contrasts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("temperature", self.temperature, 1e-3, 10)
        for name in ("dim", "hidden", "predictor_hidden", "queue"):
            check_range(name, getattr(self, name), 1)

    def modules(self, encoder: Encoder, context: Context) -> NNCLRModules:
        return NNCLRModules(encoder, self)
