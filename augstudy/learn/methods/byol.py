"""BYOL: predict what a slower copy of the network makes of the other view, without negatives."""

import copy
from dataclasses import dataclass
from typing import ClassVar

import torch
from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
from torch import Tensor
from torch.nn.functional import normalize

from augstudy.core.build import check_range
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.collapse import spread
from augstudy.learn.contrast import Tower
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.momentum import follow, rising
from augstudy.learn.multicrop import crossed

__all__ = ["BYOL"]


class BYOLModules(Modules):
    """The online network, which has a predictor, and the target that follows it."""

    def __init__(self, encoder: Encoder, settings: "BYOL", context: Context) -> None:
        super().__init__(encoder)
        self.settings, self.steps, self.step = settings, settings.steps(context.count), 0
        self.online = Tower(encoder, BYOLProjectionHead(encoder.width(), settings.hidden, settings.dim))
        self.predictor = BYOLPredictionHead(settings.dim, settings.hidden, settings.dim)
        self.target = copy.deepcopy(self.online).requires_grad_(False)

    def predicted(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, dim), unit vectors."""
        projection = self.online.head(self.encoder.embed(x))
        return normalize(self.predictor(projection), dim=1)

    def loss(self, batch: Batch) -> Tensor:
        """Twice the squared distance of a view's prediction from the target of another view, one of the first two.

        Both are of length 1, and the mean is over crops and pairs of views. Batch norm sees a view at a time.
        """
        self.step = batch.step
        with torch.no_grad():
            # The second first, as it has always been: the target's norm statistics depend on it.
            second, first = self.target(batch.views[1]), self.target(batch.views[0])
        pairs = crossed([self.predicted(view) for view in batch.views], [first, second])
        return 4 - 4 * torch.stack([(p * t).sum(1).mean() for p, t in pairs]).mean()

    def after_step(self) -> None:
        follow(self.target, self.online, rising(self.settings.ema, self.step / self.steps))

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        """A collapsed network predicts all views well, those of other crops too."""
        prediction, target = self.predicted(batch.views[0]), self.target(batch.views[1])
        own, others = ((prediction * t).sum(1).mean().item() for t in (target, target.roll(1, 0)))
        return [Diagnostic("cosine of views", own, others), *spread(target)]


@dataclass(frozen=True)
class BYOL(Method):
    """Bootstrap your own latent; the defaults are those of the published ImageNet training.

    Args:
        dim: of projection and prediction.
        hidden: width of the hidden layer of both heads.
        ema: what share of the target stays in a step at the beginning; it rises to 1.

    Of more than two views of a crop each predicts the targets of the first two. That form is ours; with two views it is
    the published loss.

    Source: Grill et al., "Bootstrap your own latent", NeurIPS 2020, sections 3.1 to 3.3: LARS, lr 0.2 x batch / 256,
    batch 4096, weight decay 1.5e-6, 1000 epochs, the first ten warming up; biases and norms neither decay nor are
    scaled.
    """

    epochs: int = 1000
    batch_size: int = 4096
    optimizer: str = "lars"
    lr: float = 3.2
    weight_decay: float = 1.5e-6
    warmup: float = 0.01
    dim: int = 256
    hidden: int = 4096
    ema: float = 0.996
    views: ClassVar[int] = 2
    multicrop: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("dim", self.dim, 1)
        check_range("hidden", self.hidden, 1)
        check_range("ema", self.ema, 0, 1)

    def modules(self, encoder: Encoder, context: Context) -> BYOLModules:
        return BYOLModules(encoder, self, context)
