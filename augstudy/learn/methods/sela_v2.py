"""SeLa-v2: SeLa's labels by optimal transport, with the training of SwAV."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn.functional import normalize

from augstudy.core.build import check_range
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.even import Even
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method
from augstudy.learn.remembered import Remembered, check_settings
from augstudy.learn.transport import in_blocks

__all__ = ["SelaV2"]


class SelaV2Modules(Remembered):
    """Prototypes that are trained, and labels that are shared out evenly among them before each epoch."""

    settings: "SelaV2"

    def __init__(self, encoder: Encoder, settings: "SelaV2", context: Context) -> None:
        drawn = [nn.Parameter(normalize(torch.randn(k, settings.dim), dim=1)) for k in settings.prototypes]
        super().__init__(encoder, settings, context, drawn)
        self.even = Even(len(drawn), settings.tolerance, settings.rounds)

    def cluster(self, head: int, epoch: int) -> None:
        s, prototypes = self.settings, self.prototypes[head].double()
        blocks = in_blocks(self.remembered(head), lambda z: z.double() @ prototypes.T / s.epsilon, len(prototypes))
        self.labels[head] = self.even.label(head, blocks, self.context.count, len(prototypes))

    @torch.no_grad()
    def after_step(self) -> None:
        """Prototypes go back to length 1 after each step, as in SwAV."""
        super().after_step()
        for prototypes in self.prototypes:
            prototypes.copy_(normalize(prototypes, dim=1))

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        return [*super().diagnostics(batch), *self.even.diagnostics()]


@dataclass(frozen=True)
class SelaV2(Method):
    """Classify all views of a crop by the label that optimal transport gave it, over all crops at once.

    What is transported are the cosines of remembered embeddings and prototypes over `epsilon`, which is SeLa's
    lambda log p with p the softmax at `temperature` and lambda = temperature / epsilon.

    Args:
        dim: D of the embedding.
        hidden: width of the projection head's hidden layer.
        prototypes: K of each head; heads take turns in whose view's memory they label.
        temperature: of the softmax over prototypes.
        epsilon: smoothness of the transport.
        tolerance: of its marginals, relative.
        rounds: of Sinkhorn-Knopp, at most.

    Source: Caron et al. (SwAV), NeurIPS 2020, which trains SeLa so as a baseline, without code. Its appendix is not at
    hand: what is not SeLa's is taken from SwAV and DeepCluster-v2, whose published batch of 4096 and rate of 4.8 are
    both divided by 16 here.
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
    epsilon: float = 0.05
    tolerance: float = 1e-6
    rounds: int = 1000
    lars_vectors: ClassVar[bool] = True  # as SwAV's
    views: ClassVar[int] = 2
    multicrop: ClassVar[bool] = True
    assigns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_settings(self)
        check_range("epsilon", self.epsilon, 1e-3, 10)
        check_range("tolerance", self.tolerance, 1e-12, 1)
        check_range("rounds", self.rounds, 2)  # the second is the first whose error is known

    def passes(self) -> int:
        return min(1, self.epochs)  # before the first epoch; later ones label what steps have remembered

    def modules(self, encoder: Encoder, context: Context) -> SelaV2Modules:
        return SelaV2Modules(encoder, self, context)
