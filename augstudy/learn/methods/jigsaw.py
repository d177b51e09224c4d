"""Jigsaw: tell in which of many orders the nine tiles of a picture were dealt."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, permutations
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.tiles import SIDE, Grid, cut, standardised, whole

__all__ = ["Jigsaw"]

TILES = SIDE**2


@lru_cache(maxsize=4)
def far_apart(count: int) -> Tensor:
    """Orders of nine tiles that differ in many places: (count, 9) int64, the identity first.

    Each is the one that differs most, on average, from those before it; of equals the one whose nearest among them is
    farthest, of equals still the first in lexicographic order. Nothing is drawn.

    Source: Noroozi, Favaro, ECCV 2016, algorithm 1 (which starts with a random order and leaves ties open).
    """
    every = np.fromiter(chain.from_iterable(permutations(range(TILES))), np.int8).reshape(-1, TILES).T.copy()  # (9, 9!)
    total, nearest = np.zeros(every.shape[1], np.int32), np.full(every.shape[1], TILES, np.uint8)
    chosen = [0]
    while len(chosen) < count:
        distance = (every != every[:, chosen[-1], None]).sum(0, dtype=np.uint8)
        total += distance
        np.minimum(nearest, distance, out=nearest)
        chosen.append(int(np.where(nearest > 0, total * (TILES + 1) + nearest, -1).argmax()))
    return torch.from_numpy(every[:, chosen].T.astype(np.int64))


class JigsawModules(Modules):
    """The encoder, which sees one tile at a time, a layer for each tile's features, and one for all of them."""

    orders: Tensor

    def __init__(self, encoder: Encoder, settings: "Jigsaw", context: Context) -> None:
        super().__init__(encoder)
        self.settings, self.seed = settings, context.seed
        self.grid = Grid(context.size, settings.tile, settings.cell, settings.cell - settings.tile)
        self.register_buffer("orders", far_apart(settings.permutations))
        rest = [nn.ReLU(inplace=True), nn.Dropout(settings.dropout)]
        self.each = nn.Sequential(nn.Linear(encoder.width(), settings.tile_width), *rest)
        self.head = nn.Sequential(
            nn.Linear(TILES * settings.tile_width, settings.hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.hidden, settings.permutations),
        )

    def tiles(self, view: Tensor, index: Tensor, step: int) -> Tensor:
        """The tiles of each view in their true order: (B, 3, s, s) -> (B, 9, 3, tile, tile), each of mean 0, std 1."""
        boxes = self.grid.boxes(self.seed, "jigsaw/boxes", index, step)[:, :, None]  # (B, 9, 1, 2)
        apart = self.settings.channel_jitter
        if apart:
            u = rng.uniform(self.seed, "jigsaw/channels", index, TILES * 6, step).view(-1, TILES, 3, 2)
            boxes = boxes + whole(u, 2 * apart) - apart
        return standardised(cut(view, boxes, self.settings.tile), (3, 4))

    def dealt(self, index: Tensor, step: int) -> Tensor:
        """The numbers of the orders in which the tiles of each crop are dealt in this step: (B,) -> (B, deals)."""
        u = rng.uniform(self.seed, "jigsaw/orders", index, self.settings.deals, step)
        return whole(u, self.settings.permutations - 1)

    def logits(self, view: Tensor, index: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """What the head says of every deal, and the right answers: (B x deals, permutations), (B x deals,).

        Tiles are dealt after the encoder, which looks at each by itself: the same numbers for less work.
        """
        tiles = self.tiles(view, index, step)
        each = self.each(self.encoder.embed(tiles.flatten(0, 1))).view(*tiles.shape[:2], -1)  # (B, 9, D)
        answers = self.dealt(index, step)  # (B, deals)
        crops = torch.arange(len(each), device=each.device)[:, None, None]
        dealt = each[crops, self.orders[answers]]  # (B, deals, 9, D)
        return self.head(dealt.flatten(2).flatten(0, 1)), answers.flatten()

    def loss(self, batch: Batch) -> Tensor:
        return cross_entropy(*self.logits(batch.views[0], batch.index, batch.step))

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        """The second number tells of a shortcut: above chance, borders or interpolation give the places away."""
        chance = 100 / self.settings.permutations
        return [
            Diagnostic("order accuracy", self._accuracy(batch.views[0], batch), chance, unit="%"),
            Diagnostic("order accuracy on noise", self._accuracy(batch.blank[0], batch), chance, "lower", "%"),
        ]

    def _accuracy(self, view: Tensor, batch: Batch) -> float:
        logits, answers = self.logits(view, batch.index, batch.step)
        return 100 * logits.argmax(1).eq(answers).float().mean().item()


@dataclass(frozen=True)
class Jigsaw(Method):
    """Nine tiles of each crop, dealt in one of some orders that are far apart, which is to be named.

    Args:
        permutations: orders to choose among.
        tile: side of a tile in pixels.
        cell: side of the square within which chance places a tile.
        channel_jitter: most pixels by which each colour channel of a tile is shifted on its own, against the colour
            fringes of a lens.
        tile_width: width of the layer behind the encoder, the same for all tiles.
        hidden: width of the layer that sees all tiles.
        dropout: in both.
        deals: orders in which the tiles of one crop are dealt in one step; published: 1.

    350,000 steps of 256 are 70 epochs; lr 0.01 is divided by 10 every 100,000 steps.

    Source: Noroozi, Favaro, "Unsupervised learning of visual representations by solving jigsaw puzzles", ECCV 2016.
    """

    epochs: int = 70
    batch_size: int = 256
    lr: float = 0.01
    schedule: str = "steps"
    milestones: tuple[float, ...] = (2 / 7, 4 / 7, 6 / 7)
    permutations: int = 1000
    tile: int = 64
    cell: int = 85
    channel_jitter: int = 2
    tile_width: int = 1024
    hidden: int = 4096
    dropout: float = 0.5
    deals: int = 1
    needs_blank: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("permutations", self.permutations, 2, 10_000)
        check_range("dropout", self.dropout, 0, 0.99)
        check_range("channel_jitter", self.channel_jitter, 0)
        for name in ("tile", "tile_width", "hidden", "deals"):
            check_range(name, getattr(self, name), 1)
        check_range("cell", self.cell, self.tile)

    def modules(self, encoder: Encoder, context: Context) -> JigsawModules:
        return JigsawModules(encoder, self, context)
