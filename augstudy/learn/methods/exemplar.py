"""Exemplar: every seed crop is a class of its own, and its transformed views are to be put in it."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from lightly.utils.debug import std_of_l2_normalized
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.core.errors import UserError
from augstudy.data.corpus import Source
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.reading import READ
from augstudy.learn.world import gathered

__all__ = ["Exemplar"]


class ExemplarModules(Modules):
    """Encoder, hidden layers, and a classifier over the seeds."""

    seeds: Tensor  # (classes,) number of the crop that each class was made of
    place: Tensor  # (N,) class of each crop, -1 of one that is no seed
    told: Tensor  # (2,) views of this epoch that were put in their class before they were trained on, and all

    def __init__(self, encoder: Encoder, settings: "Exemplar", context: Context) -> None:
        super().__init__(encoder)
        self.settings, self.context = settings, context
        width, layers = encoder.width(), list[nn.Module]()
        for hidden in settings.hidden:
            layers += [nn.Linear(width, hidden), nn.ReLU(inplace=True), nn.Dropout(settings.dropout)]
            width = hidden
        self.head = nn.Sequential(*layers, nn.Linear(width, settings.classes))
        self.register_buffer("seeds", torch.arange(settings.classes))
        self.register_buffer("place", torch.full((context.count,), -1))
        self.register_buffer("told", torch.zeros(2, dtype=torch.long))

    def loss(self, batch: Batch) -> Tensor:
        scores, own = self.head(self.encoder.embed(batch.views[0])), self.place[batch.index]
        right = scores.detach().argmax(1).eq(own).sum()
        self.told += gathered(torch.stack((right, torch.ones_like(right) * len(own)))[None]).sum(0)
        return cross_entropy(scores, own)

    def before_epoch(self, epoch: int, source: Source) -> Tensor:
        """The seeds in a new order; before the first epoch they are chosen."""
        if epoch == 0:
            self._seat(self._drawn(source).to(self.seeds.device))
        self.told.zero_()
        return self.seeds.cpu()[rng.permutation(self.context.seed, "exemplar/order", len(self.seeds), epoch)]

    def _seat(self, seeds: Tensor) -> None:
        self.seeds.copy_(seeds)
        self.place.fill_(-1)
        self.place[seeds] = torch.arange(len(seeds), device=seeds.device)

    def _drawn(self, source: Source) -> Tensor:
        """Crops drawn without replacement, each with a chance in proportion to its mean squared gradient: (classes,).

        Source: Efraimidis and Spirakis, Information Processing Letters 2006: the largest log u / weight.
        """
        index = torch.arange(len(source))
        weight = torch.cat([gradient(source.batch(part)).cpu() for part in index.split(READ)])
        u = rng.uniform(self.context.seed, "exemplar/seeds", index, 1)[:, 0].double()
        keys = (u + 2**-25).log() / weight.double().clamp(min=1e-12)
        return keys.topk(self.settings.classes).indices

    def rehearse(self) -> None:
        self.place.copy_(torch.arange(len(self.place), device=self.place.device) % self.settings.classes)

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        right, all_of = self.told.tolist()
        embedded = normalize(self.encoder.embed(batch.views[0]), dim=1)
        return [
            Diagnostic("new views put in their class", 100 * right / max(1, all_of), 100 / len(self.seeds), unit="%"),
            Diagnostic("std of embeddings", float(std_of_l2_normalized(embedded)), 0.0),
        ]


def gradient(x: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels: (B, 3, h, w) -> (B,)."""
    down, right = x.diff(dim=2), x.diff(dim=3)
    return down.square().mean((1, 2, 3)) + right.square().mean((1, 2, 3))


@dataclass(frozen=True)
class Exemplar(Method):
    """Softmax over surrogate classes, one a seed crop; an epoch shows each class once, in a new view.

    Only `classes` crops of the corpus are used, those drawn for their gradients: a softmax over all of 1,281,167 would
    have a thousand million weights in its last layer.

    Args:
        classes: seeds; at most as many as there are crops.
        hidden: widths of the layers between encoder and classifier.
        dropout: after each of them.

    Source: Dosovitskiy, Springenberg, Riedmiller, Brox, "Discriminative unsupervised feature learning with
    convolutional neural networks", NeurIPS 2014, sections 2 and 3: 8000 classes of 150 samples, here 150 epochs.
    """

    epochs: int = 150
    lr: float = 0.01
    schedule: str = "steps"
    milestones: tuple[float, ...] = (0.5, 0.75)
    classes: int = 8000
    hidden: tuple[int, ...] = (1024,)
    dropout: float = 0.5
    views: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("classes", self.classes, 2)
        for width in self.hidden:
            check_range("hidden", width, 1)
        check_range("dropout", self.dropout, 0, 1)

    def visits(self, count: int) -> int:
        return min(self.classes, count)

    def modules(self, encoder: Encoder, context: Context) -> ExemplarModules:
        if self.classes > context.count:
            what = f"classes {self.classes} are more than the {context.count} crops, each of which can be one"
            raise UserError(what, "Set method.classes to fewer, or corpus.count to more.")
        return ExemplarModules(encoder, self, context)
