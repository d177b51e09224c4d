"""Context encoder: fill a hole in the picture from what is around it."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, leaky_relu
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from augstudy.core import rng
from augstudy.core.build import check_choice, check_range
from augstudy.core.errors import UserError
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules

__all__ = ["ContextEncoder"]

LARGEST_MAP = 6  # side of the encoder's last map as the bottleneck sees it; larger ones are averaged


def doublings(size: int) -> int:
    """Stages that double 4 px to `size` px."""
    count = (size // 4).bit_length() - 1
    if size != 4 << count or count < 1:
        what = f"context_encoder makes pictures of 8, 16, 32, 64, ... px, not of {size}"
        raise UserError(
            what, "Set view.size so that it (for hole: blocks) or its half (for hole: centre) is one of these."
        )
    return count


@torch.no_grad()
def last_side(encoder: Encoder, size: int) -> int:
    """Side of the encoder's last map of a view of this size; the encoder stays as it is."""
    training, weight = encoder.training, next(encoder.parameters())
    side: int = encoder.eval()(torch.zeros(1, 3, size, size, device=weight.device)).shape[-1]
    encoder.train(training)
    return side


class Decoder(nn.Module):
    """Code -> picture: a linear map to 4 px, then transposed 4x4 convolutions of stride 2, tanh at the end."""

    def __init__(self, code: int, size: int, width: int) -> None:
        super().__init__()
        widths = [width << i for i in reversed(range(doublings(size)))]
        self.first = nn.ConvTranspose2d(code, widths[0], 4, bias=False)
        parts: list[nn.Module] = [nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)]
        for a, b in pairwise(widths):
            parts += [nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]
        self.rest = nn.Sequential(*parts, nn.ConvTranspose2d(widths[-1], 3, 4, 2, 1), nn.Tanh())

    def forward(self, code: Tensor) -> Tensor:  # (B, code) -> (B, 3, size, size) in [-1, 1]
        return self.rest(self.first(code[:, :, None, None]))


class Discriminator(nn.Module):
    """Picture -> logit: 4x4 convolutions of stride 2 down to 4 px."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        widths = [width << i for i in range(doublings(size))]
        parts: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for a, b in pairwise(widths):
            parts += [nn.Conv2d(a, b, 4, 2, 1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*parts, nn.Conv2d(widths[-1], 1, 4))

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, size, size) -> (B,)
        return self.layers(x).flatten()


class ContextEncoderModules(Modules):
    """Encoder, bottleneck, decoder, and the discriminator that tells filled holes from true ones."""

    def __init__(self, encoder: Encoder, settings: "ContextEncoder", context: Context) -> None:
        super().__init__(encoder)
        self.settings, self.seed, self.size = settings, context.seed, context.size
        self.made = self.size // 2 if settings.hole == "centre" else self.size  # side of what the decoder makes
        overlap = settings.overlap if settings.hole == "centre" else 0
        if self.size % 4 or overlap > self.size // 8:
            what = f"a hole in the middle of {self.size} px leaves no room for an overlap of {settings.overlap} px"
            raise UserError(what, "Set view.size to a larger multiple of 4, or method.overlap to less.")
        self.map = min(LARGEST_MAP, last_side(encoder, self.size))
        self.bottleneck = nn.Linear(encoder.channels * self.map**2, settings.bottleneck, bias=False)
        self.norm = nn.BatchNorm1d(settings.bottleneck)
        self.decoder = Decoder(settings.bottleneck, self.made, settings.decoder_width)
        self.discriminator = Discriminator(self.made, settings.discriminator_width)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        parts = (self.encoder, self.bottleneck, self.norm, self.decoder)
        makers = [p for part in parts for p in part.parameters()]
        return {"discriminator": [*self.discriminator.parameters()], "makers": makers}

    def holes(self, index: Tensor, step: int) -> Tensor:
        """What is hidden of each view, 1 or 0: (B, 1, s, s). The middle, or blocks at keyed places."""
        s = self.size
        if self.settings.hole == "centre":
            edge = s // 4 + self.settings.overlap
            low = torch.full((len(index), 1, 2), edge, device=index.device)
            high = s - low
        else:
            u = rng.uniform(self.seed, "context_encoder/blocks", index, 4 * self.settings.blocks, step)
            u = u.view(len(index), -1, 2, 2)
            sides = s * (1 / 6 + u[..., 0] / 6)  # (B, blocks, 2), from a sixth to a third of the view
            low = (u[..., 1] * (s - sides)).floor()
            high = low + sides.round()
        at = torch.arange(s, device=index.device)
        inside = (at >= low[..., None]) & (at < high[..., None])  # (B, blocks, 2, s)
        return (inside[:, :, 0, :, None] & inside[:, :, 1, None]).any(1, keepdim=True).float()

    def filled(self, x: Tensor, holes: Tensor) -> Tensor:
        """What the decoder makes of views with holes: (B, 3, s, s) -> (B, 3, made, made). Holes are mid-grey."""
        features = adaptive_avg_pool2d(self.encoder(x * (1 - holes)), self.map)
        return self.decoder(leaky_relu(self.norm(self.bottleneck(features.flatten(1))), 0.2))

    def part(self, x: Tensor) -> Tensor:
        """The part of a view that the decoder makes: (B, C, s, s) -> (B, C, made, made)."""
        edge = (self.size - self.made) // 2
        return x[..., edge : edge + self.made, edge : edge + self.made]

    def weights(self, holes: Tensor) -> Tensor:
        """How much each pixel of the part counts: 1 in the hole, and around one in the middle `overlap_weight`."""
        within = self.part(holes)
        return within + (1 - within) * self.settings.overlap_weight if self.settings.hole == "centre" else within

    def completed(self, x: Tensor, holes: Tensor, made: Tensor) -> Tensor:
        """What the discriminator judges: the part as it was made, or, of blocks, the view with its holes filled."""
        return made if self.settings.hole == "centre" else x * (1 - holes) + made * holes

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Squared error plus what fools the discriminator; the discriminator wants to tell filled from true."""
        x = batch.views[0]
        holes = self.holes(batch.index, batch.step)
        made, truth = self.filled(x, holes), self.part(x)
        error = (self.weights(holes) * (made - truth).square()).mean()
        # Apart, as released: in one batch, norm would give each a part of the other's statistics.
        real, fake = (self.discriminator(judged) for judged in (truth, self.completed(x, holes, made)))
        ones, zeros = torch.ones_like(real), torch.zeros_like(fake)
        s = self.settings.adversarial
        return {"discriminator": bce(real, ones) + bce(fake, zeros), "makers": (1 - s) * error + s * bce(fake, ones)}

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        """Chance of the error is that of the mean colour of what each crop shows outside its hole."""
        x = batch.views[0]
        holes = self.holes(batch.index, batch.step)
        made, truth, within = self.filled(x, holes), self.part(x), self.part(holes)
        seen = (x * (1 - holes)).sum((2, 3), keepdim=True) / (1 - holes).sum((2, 3), keepdim=True)
        real, fake = self.discriminator(torch.cat((truth, self.completed(x, holes, made)))).chunk(2)
        told = (real.gt(0).float().mean() + fake.le(0).float().mean()).item() / 2
        errors = [
            ((guess - truth).square() * within).sum().item() / (3 * within.sum().item()) for guess in (made, seen)
        ]
        return [
            Diagnostic("squared error in the hole", errors[0], errors[1], "lower"),
            Diagnostic("discriminator accuracy", 100 * told, 50.0, unit="%"),
        ]

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """Crops in threes: with their hole, filled, and as they are."""
        x = batch.views[0]
        holes = self.holes(batch.index, batch.step)
        edge = (self.size - self.made) // 2
        made = nn.functional.pad(self.filled(x, holes), (edge,) * 4)
        threes = [x * (1 - holes), x * (1 - holes) + made * holes, x]
        return {"inpainting": torch.stack(threes, 1).flatten(0, 1)}


@dataclass(frozen=True)
class ContextEncoder(Method):
    """A hole is painted by squared error and against a discriminator; the encoder is what is kept.

    Args:
        hole: "centre" (half the view's side, less the overlap) or "blocks" at random places.
        overlap: pixels by which what is painted reaches over each edge of a hole in the middle.
        overlap_weight: how much the squared error counts there.
        blocks: how many, each a sixth to a third of the view's side; they may overlap.
        adversarial: weight of the adversarial term; the squared error has the rest of 1.
        discriminator_pace: the discriminator's learning rate as a share of `lr`.
        bottleneck: length of the code between encoder and decoder.
        decoder_width, discriminator_width: channels of the layer nearest the picture; they double with each stage.

    Adam with beta1 0.5, batch 64, lr 2e-3 and for the discriminator 2e-4, 500 epochs, all as in the released code.

    Source: Pathak, Krähenbühl, Donahue, Darrell, Efros, "Context encoders: feature learning by inpainting", CVPR 2016,
    and its released code.
    """

    epochs: int = 500
    batch_size: int = 64
    optimizer: str = "adam"
    lr: float = 2e-3
    momentum: float = 0.5
    weight_decay: float = 0.0
    schedule: str = "constant"
    hole: str = "centre"
    overlap: int = 4
    overlap_weight: float = 10.0
    blocks: int = 5
    adversarial: float = 0.001
    discriminator_pace: float = 0.1
    bottleneck: int = 4000
    decoder_width: int = 64
    discriminator_width: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("hole", self.hole, ("centre", "blocks"))
        for name in ("overlap", "overlap_weight"):
            check_range(name, getattr(self, name), 0)
        check_range("adversarial", self.adversarial, 0, 0.999)
        check_range("discriminator_pace", self.discriminator_pace, 0.001, 10)
        for name in ("blocks", "bottleneck", "decoder_width", "discriminator_width"):
            check_range(name, getattr(self, name), 1)

    def modules(self, encoder: Encoder, context: Context) -> ContextEncoderModules:
        return ContextEncoderModules(encoder, self, context)

    def pace(self, group: str) -> float:
        return self.discriminator_pace if group == "discriminator" else 1.0
