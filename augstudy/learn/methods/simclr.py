"""SimCLR: find the other view of a crop among all other views of the batch."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from lightly.models.modules import SimCLRProjectionHead
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from augstudy.core.build import check_range
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.contrast import Tower, judged
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.multicrop import passes
from augstudy.learn.sided import TwoSided
from augstudy.learn.world import everyones, rows

__all__ = ["SimCLR"]


class SimCLRModules(Modules):
    """One tower for both views, or a tower each where the two sides need encoders of their own."""

    def __init__(self, encoder: Encoder, settings: "SimCLR") -> None:
        super().__init__(encoder)
        self.settings = settings
        self.towers = nn.ModuleList(
            Tower(side, head(side.width(), settings))
            for side in (encoder.pair if isinstance(encoder, TwoSided) else (encoder,))
        )

    def sides(self) -> tuple[Encoder, Encoder]:
        first, second = (self.towers[i].encoder for i in (0, -1))
        assert isinstance(first, Encoder)
        assert isinstance(second, Encoder)
        return first, second

    def projected(self, views: list[Tensor]) -> tuple[Tensor, Tensor]:
        first, second = self._embedded(views[:2])
        return first, second

    def _embedded(self, views: list[Tensor]) -> list[Tensor]:
        if len(self.towers) == 2:
            return [tower(view) for tower, view in zip(self.towers, views, strict=True)]
        tower = self.towers[0]
        assert isinstance(tower, Tower)
        return passes(tower.encoder.embed, views, tower.project)  # batch norm sees all views, as published

    def loss(self, batch: Batch) -> Tensor:
        return cross_entropy(*self._task(*self._embedded(batch.views)))

    def _task(self, first: Tensor, second: Tensor, *further: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines over the temperature of anchors with the first two views of all processes, (A, 2 W B); and the place
        of each anchor's positive, (A,).

        Each of the first two views is an anchor once and itself left out. A further view is an anchor twice: its
        positive is the first view of its crop, the second being left out, and the other way round.
        """
        among = torch.cat((everyones(first), everyones(second)))
        anchors = [first, second, *(z for view in further for z in (view, view))]
        logits = torch.cat(anchors) @ among.T / self.settings.temperature
        mine = rows(first)
        second_half = mine + len(among) // 2
        left_out = torch.cat((mine, second_half)).repeat(1 + len(further))[:, None]
        return logits.scatter(1, left_out, float("-inf")), torch.cat((second_half, mine)).repeat(1 + len(further))

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        first, second = self.projected(batch.views)
        logits, target = self._task(first, second)
        positive = logits.gather(1, target[:, None])
        others = logits.scatter(1, target[:, None], float("-inf"))
        negatives = others.topk(logits.shape[1] - 2, dim=1).values  # all but itself and the positive
        return judged(torch.cat((positive, negatives), 1), self.settings.temperature, torch.cat((first, second)))


def head(width: int, settings: "SimCLR") -> nn.Module:
    """Two layers with batch norm after each, as in the released code."""
    return SimCLRProjectionHead(width, settings.hidden or width, settings.dim)


@dataclass(frozen=True)
class SimCLR(Method):
    """NT-Xent over the 2 x `batch_size` views of a batch; the defaults are those of the published ImageNet training.

    Args:
        temperature: of the softmax.
        dim: of the embedding.
        hidden: width of the head's hidden layer; 0 takes the encoder's.

    Where the two views of a family are not of one kind (`split`, `frequency`), each has an encoder and a head of its
    own, as in CMC, and the loss stays the same. Of more than two views of a crop the loss is the mean over all pairs of
    which one is among the first two: every view is to find these two, one at a time, among those of all other crops.
    That form is ours; with two views it is NT-Xent.

    Source: Chen, Kornblith, Norouzi, Hinton, "A simple framework for contrastive learning of visual representations",
    ICML 2020, algorithm 1 and section 2.3 (LARS, lr 0.3 x batch / 256, batch 4096, weight decay 1e-6, 100 epochs, the
    first ten warming up); temperature 0.1 is table 5's best.
    """

    epochs: int = 100
    batch_size: int = 4096
    optimizer: str = "lars"
    lr: float = 4.8
    weight_decay: float = 1e-6
    warmup: float = 0.1
    temperature: float = 0.1
    dim: int = 128
    hidden: int = 0
    views: ClassVar[int] = 2
    multicrop: ClassVar[bool] = True
    contrasts: ClassVar[bool] = True
    two_encoders: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("temperature", self.temperature, 1e-3, 10)
        check_range("dim", self.dim, 1)
        check_range("hidden", self.hidden, 0)

    def modules(self, encoder: Encoder, context: Context) -> SimCLRModules:
        return SimCLRModules(encoder, self)
