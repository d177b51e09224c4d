"""SeLa: label all crops evenly by optimal transport, learn to predict the labels, and again."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from augstudy.core.build import check_range
from augstudy.data.corpus import Source
from augstudy.learn.agreement import Agreement, largest
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.even import Even
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.reading import read_training
from augstudy.learn.transport import in_blocks

__all__ = ["Sela"]


class SelaModules(Modules):
    """Encoder, hidden layers, and classifiers over the labels, which they alone have made."""

    labels: Tensor

    def __init__(self, encoder: Encoder, settings: "Sela", context: Context) -> None:
        super().__init__(encoder)
        self.settings, self.context = settings, context
        width, layers = encoder.width(), list[nn.Module]()
        for hidden in settings.hidden:
            layers += [nn.Dropout(settings.dropout), nn.Linear(width, hidden), nn.ReLU(inplace=True)]
            width = hidden
        self.hidden, self.width = nn.Sequential(*layers), width
        self.heads = nn.ModuleList(nn.Linear(width, settings.clusters) for _ in range(settings.heads))
        self.register_buffer("labels", torch.full((settings.heads, context.count), -1))
        self.agreement = Agreement(context)  # of the first head
        self.even = Even(settings.heads, settings.tolerance, settings.rounds)

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, D), what every head sees."""
        features: Tensor = self.hidden(self.encoder.embed(x))
        return features

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of each head against its own label of the crop, averaged."""
        features = self.features(batch.views[0])
        losses = [
            cross_entropy(head(features), labels[batch.index])
            for head, labels in zip(self.heads, self.labels, strict=True)
        ]
        return torch.stack(losses).mean()

    def rehearse(self) -> None:
        self.labels.random_(self.settings.clusters)

    @torch.no_grad()
    def before_epoch(self, epoch: int, source: Source) -> None:
        """Label the whole source anew in every head, in the epochs of the schedule; networks are in training mode."""
        if epoch not in self.settings.label_epochs():
            return
        self.agreement.remember(self.labels[0], source)
        x = next(self.parameters()).new_empty((len(source), self.width))
        read_training(self.features, source, self.settings.batch_size, x)
        for number, head in enumerate(self.heads):
            self._label(number, head, x)

    def _label(self, number: int, head: nn.Module, x: Tensor) -> None:
        s = self.settings
        blocks = in_blocks(x, lambda part: s.sharpness * log_softmax(head(part).double(), 1), s.clusters)
        self.labels[number] = self.even.label(number, blocks, len(x), s.clusters)

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        s = self.settings
        sure = self.heads[0](self.features(batch.views[0])).float().softmax(1).amax(1).mean().item()
        return [
            Diagnostic("confidence in a label", 100 * sure, 100 / s.clusters, unit="%"),
            largest(self.labels[0], s.clusters),
            *self.even.diagnostics(),
            *self.agreement.diagnostics(self.labels[0]),
        ]


@dataclass(frozen=True)
class Sela(Method):
    """Cross-entropy on labels that maximise the likelihood under the constraint that all are equally frequent.

    Labels are made at the first beginning of an epoch after each published time, (E + 1.01) (j / (n - 1))^2 for n
    optimisations in E epochs; those of one epoch are one. Every head labels all crops by itself, so each trains on
    labels of its own.

    Args:
        clusters: K of each head.
        heads: how many.
        sharpness: lambda, the power that probabilities are raised to before the transport.
        optimisations: n, of the labels; the first is made with random weights.
        tolerance: of the transport's marginals, relative; the code stops where their sum over crops is off by 0.1.
        rounds: of Sinkhorn-Knopp, at most.
        hidden: widths of the fully connected layers between encoder and heads.
        dropout: before each of them.

    Source: Asano, Rupprecht, Vedaldi, "Self-labelling via simultaneous clustering and representation learning", ICLR
    2020, and its released code (AlexNet on ImageNet; lr is its help text's, its argument's default is 0.08).
    """

    epochs: int = 400
    batch_size: int = 256
    lr: float = 0.05
    weight_decay: float = 1e-5
    schedule: str = "steps"
    milestones: tuple[float, ...] = field(default=(0.375, 0.75, 0.875))
    clusters: int = 3000
    heads: int = 10
    sharpness: float = 25.0
    optimisations: int = 100
    tolerance: float = 1e-6
    rounds: int = 1000
    hidden: tuple[int, ...] = (4096, 4096)
    dropout: float = 0.5
    assigns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("clusters", self.clusters, 2)
        check_range("heads", self.heads, 1)
        check_range("sharpness", self.sharpness, 1e-3, 1e3)
        check_range("optimisations", self.optimisations, 1)
        check_range("tolerance", self.tolerance, 1e-12, 1)
        check_range("rounds", self.rounds, 2)  # the second is the first whose error is known
        for width in self.hidden:
            check_range("hidden", width, 1)
        check_range("dropout", self.dropout, 0, 1)

    def label_epochs(self) -> set[int]:
        """Before which epochs labels are made; the first is always among them."""
        last = max(1, self.optimisations - 1)
        times = ((self.epochs + 1.01) * (j / last) ** 2 for j in range(self.optimisations))
        return {0} | {epoch for epoch in map(math.ceil, times) if epoch < self.epochs}

    def passes(self) -> int:
        return min(self.epochs, len(self.label_epochs()))

    def modules(self, encoder: Encoder, context: Context) -> SelaModules:
        return SelaModules(encoder, self, context)
