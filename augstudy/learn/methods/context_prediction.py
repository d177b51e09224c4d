"""Context prediction: tell on which of eight sides of a patch another one lies."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from augstudy.core import rng
from augstudy.core.build import check_choice, check_range
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.tiles import CENTRE, Grid, cut, standardised

__all__ = ["ContextPrediction"]

LEAST = 10  # side in pixels of what a patch may be shrunk to; smaller patches are left as they are


def projected(patches: Tensor) -> Tensor:
    """Colours without their part between green and magenta: (..., 3, s, s) -> the same.

    Source: Doersch, Gupta, Efros, ICCV 2015, section 3.1.
    """
    red, green, blue = patches.unbind(-3)
    along = (2 * green - red - blue) / 6  # on the axis (-1, 2, -1), along which most lenses fringe
    return torch.stack((red + along, green - 2 * along, blue + along), -3)


def dropped(patches: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    """One channel of each patch; noise of half a grey level takes the place of the others.

    Args:
        patches: (B, T, 3, s, s), each channel of mean 0, in units of 127.5 grey levels.
        u: (B, T) in [0, 1), which channel is kept.
        noise: (B, T, 3, s, s) in [0, 1).

    Source: Doersch et al., ICCV 2015, released code.
    """
    channel = torch.arange(3, device=u.device) == (u * 3).long()[..., None]  # (B, T, 3)
    return torch.where(channel[..., None, None], patches, (noise - 0.5) / 127.5)


class Head(nn.Module):
    """Both patches' features, each through one layer of its own and then together through two."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc6 = nn.Sequential(nn.Linear(width, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True))
        self.rest = nn.Sequential(
            nn.Linear(2 * hidden, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, 8),
        )

    def forward(self, features: Tensor) -> Tensor:  # (B, 9, D) -> (8B, 8), the eight neighbours of each crop in turn
        h = self.fc6(features.flatten(0, 1)).view(*features.shape[:2], -1)
        others = torch.cat((h[:, :CENTRE], h[:, CENTRE + 1 :]), 1)  # (B, 8, hidden)
        pairs = torch.cat((h[:, CENTRE : CENTRE + 1].expand_as(others), others), 2)
        return self.rest(pairs.flatten(0, 1))


class ContextPredictionModules(Modules):
    """The encoder, which sees one patch at a time, and the head that joins two."""

    def __init__(self, encoder: Encoder, settings: "ContextPrediction", context: Context) -> None:
        super().__init__(encoder)
        self.settings, self.seed = settings, context.seed
        pitch, moves = settings.patch + settings.gap, 2 * settings.jitter
        self.grid = Grid(context.size, settings.patch, pitch, moves)
        self.head = Head(encoder.width(), settings.hidden)

    def patches(self, view: Tensor, index: Tensor, step: int) -> Tensor:
        """The nine patches of each view as the encoder sees them: (B, 3, s, s) -> (B, 9, 3, patch, patch)."""
        boxes = self.grid.boxes(self.seed, "context/boxes", index, step)
        patches = self._pixelated(cut(view, boxes, self.settings.patch), index, step)
        if self.settings.color == "drop":
            u = rng.uniform(self.seed, "context/channel", index, 9, step)
            noise = rng.uniform(self.seed, "context/noise", index, patches[0].numel(), step).view_as(patches)
            patches = dropped(patches - patches.mean((3, 4), keepdim=True), u, noise)
        elif self.settings.color == "project":
            patches = projected(patches)
        return standardised(patches, (2, 3, 4))

    def _pixelated(self, patches: Tensor, index: Tensor, step: int) -> Tensor:
        """Some patches shrunk and enlarged again, all of a step by the same factor."""
        side, p = self.settings.patch, self.settings.pixelate_p
        if p == 0 or side <= LEAST:
            return patches
        u = float(rng.uniform(self.seed, "context/pixels", torch.zeros(1, dtype=torch.long), 1, step).numpy()[0, 0])
        small = int((u * ((side - 1) ** 2 - LEAST**2) + LEAST**2) ** 0.5)
        shrunk = interpolate(patches.flatten(0, 1), (small, small), mode="bilinear", antialias=True)
        coarse = interpolate(shrunk, (side, side), mode="bilinear").view_as(patches)
        touched = rng.uniform(self.seed, "context/pixelated", index, 9, step) < p
        return torch.where(touched[..., None, None, None], coarse, patches)

    def logits(self, view: Tensor, index: Tensor, step: int) -> Tensor:
        """(8B, 8): for each crop its eight neighbours in turn."""
        patches = self.patches(view, index, step)
        return self.head(self.encoder.embed(patches.flatten(0, 1)).view(*patches.shape[:2], -1))

    def loss(self, batch: Batch) -> Tensor:
        logits = self.logits(batch.views[0], batch.index, batch.step)
        return cross_entropy(logits, positions(logits))

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        """The second number tells of a shortcut: above chance, borders or interpolation give the place away."""
        return [
            Diagnostic("position accuracy", self._accuracy(batch.views[0], batch), 12.5, unit="%"),
            Diagnostic("position accuracy on noise", self._accuracy(batch.blank[0], batch), 12.5, "lower", "%"),
        ]

    def _accuracy(self, view: Tensor, batch: Batch) -> float:
        logits = self.logits(view, batch.index, batch.step)
        return 100 * logits.argmax(1).eq(positions(logits)).float().mean().item()


def positions(logits: Tensor) -> Tensor:
    """The right answers: every crop has one neighbour on each of the eight sides, row by row."""
    return torch.arange(8, device=logits.device).repeat(len(logits) // 8)


@dataclass(frozen=True)
class ContextPrediction(Method):
    """The middle of a 3 x 3 grid of patches, paired with each of its eight neighbours.

    Args:
        patch: side of a patch in pixels.
        gap: pixels between neighbours before they move.
        jitter: most pixels that a patch moves, up, down, left and right. Neighbours stay `gap - 2 jitter` apart.
        color: what hides the colour fringes of a lens, which would tell where in the picture a patch lies: "drop" (one
            channel is left), "project" (nothing between green and magenta) or "keep" (nothing hides them).
        pixelate_p: share of patches that are shrunk, to 10 px at the least, and enlarged again.
        hidden: width of the layers between encoder and answer.

    Defaults are those of the released code: about 512 patches a step, lr 1e-5 for the sum over pairs, which is 0.005
    for their mean, without momentum, decay or schedule. It never stops; 200 epochs are ours.

    Source: Doersch, Gupta, Efros, "Unsupervised visual representation learning by context prediction", ICCV 2015.
    """

    batch_size: int = 64
    lr: float = 0.005
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: str = "constant"
    patch: int = 96
    gap: int = 48
    jitter: int = 7
    color: str = "drop"
    pixelate_p: float = 0.33
    hidden: int = 4096
    needs_blank: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("patch", "hidden"):
            check_range(name, getattr(self, name), 1)
        for name in ("gap", "jitter"):
            check_range(name, getattr(self, name), 0)
        check_choice("color", self.color, ("drop", "project", "keep"))
        check_range("pixelate_p", self.pixelate_p, 0, 1)

    def modules(self, encoder: Encoder, context: Context) -> ContextPredictionModules:
        return ContextPredictionModules(encoder, self, context)
