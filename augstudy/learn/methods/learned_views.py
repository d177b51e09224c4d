"""Learned views: a flow splits pictures so that both parts share little, and encoders learn from what they share."""

import copy
import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from lightly.models.modules import SimCLRProjectionHead
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from augstudy.augment.views.base import View
from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.core.errors import UserError
from augstudy.data.corpus import Source
from augstudy.learn.backbones.base import Backbone, Encoder
from augstudy.learn.classifier import Classifier
from augstudy.learn.contrast import Tower, judged, paired
from augstudy.learn.flow import Split
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.sided import Generated, TwoSided
from augstudy.learn.world import everyones, gathered, place, rows

__all__ = ["LearnedViews"]

LUMA = (0.299, 0.587, 0.114)  # BT.601


class LearnedViewsModules(Modules):
    """A flow, an encoder with its head for each of the two views, and a classifier for each where labels are looked at.

    Groups: "encoders" and "views", which is the flow and the classifiers.
    """

    def __init__(self, encoder: TwoSided, settings: "LearnedViews", context: Context) -> None:
        super().__init__(encoder)
        self.settings, self.seed = settings, context.seed
        self.lens = encoder.lens
        self.towers = nn.ModuleList(
            Tower(side, SimCLRProjectionHead(side.width(), settings.hidden or side.width(), settings.dim))
            for side in encoder.pair
        )
        self.first = {name: value.clone() for name, value in self.towers.state_dict().items()}  # drawn by the seed
        self.fixed = not settings.learns
        self.readers = nn.ModuleList(
            Classifier(copy.deepcopy(side), nn.Linear(side.width(), context.classes))
            for side in (encoder.pair if settings.labels and not self.fixed else ())
        )
        self.lens.requires_grad_(not self.fixed)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        groups = {"encoders": list(self.towers.parameters())}
        return groups | {"views": self._of_views()} if self.settings.learns else groups

    def _of_views(self) -> list[nn.Parameter]:
        return [*self.lens.parameters(), *self.readers.parameters()]

    def before_epoch(self, epoch: int, source: Source) -> Tensor | None:
        self.fixed = not self.settings.learns or epoch >= self.settings.view_epochs
        if self._begins(epoch):
            self.towers.load_state_dict(self.first)
        if self.settings.learns or epoch >= self.settings.view_epochs:
            return None
        return torch.arange(min(self.settings.batch_size, len(source)))  # nothing is to be learnt yet: a single step

    def renewed(self, epoch: int) -> tuple[str, ...]:
        return ("encoders",) if self._begins(epoch) else ()

    def _begins(self, epoch: int) -> bool:
        """Whether the encoders' own training begins, from their first weights, on views that stay."""
        return epoch == self.settings.view_epochs > 0

    def sides(self) -> tuple[Encoder, Encoder]:
        assert isinstance(self.encoder, TwoSided)
        return self.encoder.pair

    def compared(self, views: list[Tensor]) -> list[Tensor]:
        pair: list[Tensor] = self.lens(views[0])
        return pair

    def projected(self, views: list[Tensor]) -> tuple[Tensor, Tensor]:
        first, second = (tower(view) for tower, view in zip(self.towers, views, strict=True))
        return first, second

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        with torch.set_grad_enabled(not self.fixed):
            pair = self.compared(batch.views)
        nce = mutual(*self.projected(pair), self.settings.temperature)
        if self.fixed:
            return {"encoders": nce}
        return {"encoders": nce, "views": self._named(pair, batch) - self.settings.minimise * nce}

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        """The encoders' loss: where the flow makes the same one large, the sum would be nothing."""
        return losses["encoders"]

    def _named(self, pair: list[Tensor], batch: Batch) -> Tensor:
        """Cross-entropy of what each view tells of the class, on those images whose labels may be seen."""
        if not self.readers:
            return pair[0].new_zeros(())
        assert batch.labels is not None
        seen = self.seen(batch.index)
        losses = [
            cross_entropy(reader(x), batch.labels, reduction="none")
            for reader, x in zip(self.readers, pair, strict=True)
        ]
        # The mean over processes, which the loop takes of losses, must be that over all images that are seen.
        return (torch.stack(losses) * seen).sum() * place()[1] / gathered(seen).sum().clamp(min=1)

    def seen(self, index: Tensor) -> Tensor:
        """1 where an image's label may be seen, else 0: a share `labels` of all, always the same ones. (B,)"""
        drawn = rng.uniform(self.seed, "learned_views/labels", index, 1)[:, 0]
        return (drawn < self.settings.labels).float()

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        pair = self.compared(batch.views)
        first, second = self.projected(pair)
        logits = paired(first, second, self.settings.temperature)
        found = judged(logits, self.settings.temperature, torch.cat((first, second)))
        nce, top1 = found[0], found[1]
        return [
            *found,
            Diagnostic("I_NCE of the two views", nce.chance - nce.value, 0.0, unit="nats"),
            Diagnostic("nothing shared that is found", float(top1.value < 2 * top1.chance), 0.0, "lower"),
            Diagnostic("first view told by luma (R2)", told_by_luma(batch.views[0], pair[0]), 0.0),
        ]

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """Three of each crop in turn: itself, its first view, and the two channels of the second as red and green."""
        first, second = (x / x.abs().amax((1, 2, 3), keepdim=True).clamp(min=1) for x in self.compared(batch.views))
        shown = (batch.views[0], first.expand(-1, 3, -1, -1), torch.cat((second, -torch.ones_like(first)), 1))
        return {"learned_views": torch.stack(shown, 1).flatten(0, 1)}


def mutual(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """InfoNCE loss of unit vectors (B, D), each view's other among those of all processes, both directions' mean."""
    target = rows(first)
    to_second, to_first = first @ everyones(second).T / temperature, second @ everyones(first).T / temperature
    return (cross_entropy(to_second, target) + cross_entropy(to_first, target)) / 2


def told_by_luma(x: Tensor, view: Tensor) -> float:
    """Squared correlation over pixels of pictures' luma and a view of one channel, in [0, 1]."""
    luma = (x * x.new_tensor(LUMA)[:, None, None]).sum(1).flatten().double()
    y = view[:, 0].flatten().double()
    luma, y = luma - luma.mean(), y - y.mean()
    return (luma.dot(y).square() / (luma.square().sum() * y.square().sum()).clamp(min=1e-12)).item()


@dataclass(frozen=True)
class LearnedViews(Method):
    """First a flow and encoders against each other, then the encoders anew on views that stay as they are.

    In the first `view_epochs` encoders find what the views share (they maximise I_NCE), and the flow leaves them less
    (it minimises it) while classifiers hold it to what labels need. Then the flow is fixed, and the encoders train from
    their first weights with a schedule of their own. With `minimise: 0` and no labels the views are the channels of
    `space`, and the first epochs are a step each.

    Args:
        view_epochs: of `epochs`, in which the views are learnt.
        space: see `Split`.
        preserving: the flow keeps volumes (NICE), or also scales and mixes (RealNVP with invertible 1x1 convolutions).
        layers, hidden_flow: couplings of the flow, and their width.
        minimise: weight of I_NCE in what the flow minimises; with 0 it looks at labels alone.
        labels: share of the images whose labels the classifiers see; 0 is the unsupervised generator.
        flow_pace: share of the learning rate that flow and classifiers take.
        temperature, dim, hidden: of the encoders' heads, as of SimCLR.

    Source: Tian et al., "What makes for good views for contrastive learning?", NeurIPS 2020, section 4.2: min over g of
    max over f1, f2 of I_NCE(f1(g(X)_1); f2(g(X)_2:3)), plus the cross-entropies of c1(g(X)_1) and c2(g(X)_2:3). No code
    was released; optimiser and sizes are those of SimCLR here.
    """

    epochs: int = 200
    batch_size: int = 256
    optimizer: str = "adam"
    lr: float = 1e-3
    weight_decay: float = 1e-6
    view_epochs: int = 100
    space: str = "rgb"
    preserving: bool = True
    layers: int = 6
    hidden_flow: int = 32
    minimise: float = 1.0
    labels: float = 0.0
    flow_pace: float = 1.0
    temperature: float = 0.2
    dim: int = 128
    hidden: int = 0
    contrasts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("view_epochs", self.view_epochs, 0, max(0, self.epochs - 1))
        for name, high in (("minimise", math.inf), ("labels", 1), ("flow_pace", math.inf)):
            check_range(name, getattr(self, name), 0, high)
        check_range("temperature", self.temperature, 1e-3, 10)
        check_range("dim", self.dim, 1)
        check_range("hidden", self.hidden, 0)
        self.split()

    @property
    def learns(self) -> bool:
        """Whether the flow has anything to learn."""
        return self.view_epochs > 0 and (self.minimise > 0 or self.labels > 0)

    def split(self) -> Split:
        """How views are made."""
        return Split(self.space, self.preserving, self.layers, self.hidden_flow)

    def network(self, backbone: Backbone, view: View) -> Backbone:
        return Generated(backbone=backbone, split=self.split())

    def pace(self, group: str) -> float:
        return self.flow_pace if group == "views" else 1.0

    def lr_share(self, progress: float) -> float:
        """The schedule, once while views are learnt and once more after."""
        share = self.view_epochs / self.epochs
        learning = progress < share - 1e-9  # the last bits of a quotient must not add a step
        return super().lr_share(progress / share if learning else (progress - share) / (1 - share))

    def modules(self, encoder: Encoder, context: Context) -> LearnedViewsModules:
        if self.labels and not context.classes:
            raise UserError(f"labels is {self.labels:g}, and crops have none", "Set data: full, or method.labels: 0.")
        assert isinstance(encoder, TwoSided)
        return LearnedViewsModules(encoder, self, context)
