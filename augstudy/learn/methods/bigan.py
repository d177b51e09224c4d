"""BiGAN: a generator, and an encoder that learns to invert it by fooling a joint discriminator."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import interpolate, leaky_relu

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.core.errors import UserError
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.decay import gains, spared
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules

__all__ = ["BiGAN"]


def stages(size: int) -> int:
    """Stride-2 stages between 4 px and `size` px."""
    count = (size // 4).bit_length() - 1
    if size != 4 << count or count < 1:
        raise UserError(
            f"bigan makes images of 8, 16, 32, 64, ... px, not of {size}",
            "Set method.generator_size to one of these, or to 0 and view.size to one.",
        )
    return count


class Generator(nn.Module):
    """z -> image: a linear map to 4 px, then transposed 5x5 convolutions of stride 2, tanh at the end."""

    def __init__(self, latent: int, size: int, width: int) -> None:
        super().__init__()
        count = stages(size)
        self.channels = width << (count - 1)
        self.first = nn.Linear(latent, self.channels * 16, bias=False)
        parts: list[nn.Module] = [nn.BatchNorm2d(self.channels), nn.ReLU(inplace=True)]
        channels = self.channels
        for _ in range(count - 1):
            parts += [
                nn.ConvTranspose2d(channels, channels // 2, 5, 2, 2, 1, bias=False),
                nn.BatchNorm2d(channels // 2),
                nn.ReLU(inplace=True),
            ]
            channels //= 2
        self.rest = nn.Sequential(*parts, nn.ConvTranspose2d(channels, 3, 5, 2, 2, 1), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:  # (B, latent) -> (B, 3, size, size) in [-1, 1]
        return self.rest(self.first(z).view(-1, self.channels, 4, 4))


class Discriminator(nn.Module):
    """(x, z) -> logit: strided 5x5 convolutions; z shifts every channel of every normed layer, before its norm."""

    def __init__(self, latent: int, size: int, width: int) -> None:
        super().__init__()
        widths = [width << i for i in range(stages(size))]
        self.first = nn.Conv2d(3, width, 5, 2, 2)
        pairs = list(pairwise(widths))
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 5, 2, 2, bias=False) for a, b in pairs)
        # They remember nothing: real and made pairs have statistics of their own, in training and when it is judged.
        self.norms = nn.ModuleList(nn.BatchNorm2d(b, track_running_stats=False) for _, b in pairs)
        self.shifts = nn.ModuleList(nn.Linear(latent, b, bias=False) for _, b in pairs)
        self.last = nn.Linear(widths[-1] * 16 + latent, 1)
        nn.init.zeros_(self.last.weight)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:  # (B, 3, size, size), (B, latent) -> (B,)
        h = leaky_relu(self.first(x), 0.2)
        for conv, norm, shift in zip(self.convs, self.norms, self.shifts, strict=True):
            h = leaky_relu(norm(conv(h) + shift(z)[:, :, None, None]), 0.2)
        return self.last(torch.cat((h.flatten(1), z), 1))[:, 0]


class BiGANModules(Modules):
    """Encoder with its latent head, generator and discriminator."""

    def __init__(self, encoder: Encoder, settings: "BiGAN", context: Context) -> None:
        super().__init__(encoder)
        self.settings, self.seed = settings, context.seed
        self.size = settings.generator_size or context.size
        if self.size > context.size:
            what = f"generator_size {self.size} is more than the view's {context.size} px"
            raise UserError(what, f"Set method.generator_size to at most {context.size}, or view.size to more.")
        self.head = nn.Linear(encoder.width(), settings.latent)
        self.generator = Generator(settings.latent, self.size, settings.generator_width)
        self.discriminator = Discriminator(settings.latent, self.size, settings.discriminator_width)

    def encode(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, latent) in (-1, 1), the support of the prior."""
        return 2 * torch.sigmoid(self.head(self.encoder.embed(x))) - 1

    def small(self, x: Tensor) -> Tensor:
        """Views as generator and discriminator know them: (B, 3, h, w) -> (B, 3, size, size), antialiased."""
        if x.shape[-1] == self.size:
            return x
        return interpolate(x, (self.size, self.size), mode="bilinear", antialias=True, align_corners=False)

    def groups(self) -> dict[str, list[nn.Parameter]]:
        makers = [*self.encoder.parameters(), *self.head.parameters(), *self.generator.parameters()]
        return {"discriminator": [*self.discriminator.parameters()], "makers": makers}

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The discriminator tells (x, E(x)) from (G(z), z), each normed apart; the makers want the opposite labels."""
        x = batch.views[0]
        u = rng.uniform(self.seed, "bigan/z", batch.index, self.settings.latent, batch.step)
        z = 2 * u - 1
        made, code = self.generator(z), self.encode(x)
        logits = torch.cat((self.discriminator(self.small(x), code), self.discriminator(made, z)))
        truth = torch.cat((x.new_ones(len(x)), x.new_zeros(len(x))))
        return {"discriminator": bce(logits, truth), "makers": bce(logits, 1 - truth)}

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        x, code, z = self._held_out(batch)
        real, fake = self.discriminator(x, code), self.discriminator(self.generator(z), z)
        told = (real.gt(0).float().mean() + fake.le(0).float().mean()).item() / 2
        again = self.generator(code)
        error = (again - x).abs().mean().item()
        other = (again - x.roll(1, 0)).abs().mean().item()
        return [
            Diagnostic("reconstruction error (mean |difference|)", error, other, "lower"),
            Diagnostic("discriminator accuracy", 100 * told, 50.0, unit="%"),
        ]

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """Samples, and crops each followed by its reconstruction."""
        x, code, z = self._held_out(batch)
        pairs = torch.stack((x, self.generator(code)), 1)  # (B, 2, 3, size, size)
        return {"samples": self.generator(z), "reconstructions": pairs.flatten(0, 1)}

    def _held_out(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Crops of the generator's size, their codes, and a z for each."""
        x = batch.views[0]
        z = 2 * rng.uniform(self.seed, "bigan/held_out", batch.index, self.settings.latent) - 1
        return self.small(x), self.encode(x), z


@dataclass(frozen=True)
class BiGAN(Method):
    """Adversarial feature learning; the encoder is what is kept.

    Args:
        latent: length of z, uniform in [-1, 1].
        discriminator_pace: the discriminator's learning rate as a share of `lr` (two time scales: Heusel et al.,
            NeurIPS 2017). Published: 1.
        generator_size: side in pixels of what the generator makes and the discriminator sees; the encoder sees the view
            as it is. Published for ImageNet: 64 for views of 112 px. 0 takes the view's size.
        generator_width, discriminator_width: channels of the layer nearest the image; they double with each stage.

    Adam with beta1 0.5, and L2 2.5e-5 for all but the scales of norms; lr is constant for the first half, then falls to
    a hundredth.

    Source: Donahue, Krähenbühl, Darrell, ICLR 2017, and its released code (which has 64 px networks; for 32 px one
    stage is left out).
    """

    epochs: int = 100
    optimizer: str = "adam"
    lr: float = 2e-4
    momentum: float = 0.5
    weight_decay: float = 2.5e-5
    schedule: str = "exponential"
    milestones: tuple[float, ...] = (0.5,)
    gamma: float = 0.01
    latent: int = 200
    discriminator_pace: float = 1.0
    generator_size: int = 0
    generator_width: int = 64
    discriminator_width: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("latent", "generator_width", "discriminator_width"):
            check_range(name, getattr(self, name), 1)
        check_range("generator_size", self.generator_size, 0)
        check_range("discriminator_pace", self.discriminator_pace, 0.001, 10)

    def modules(self, encoder: Encoder, context: Context) -> BiGANModules:
        return BiGANModules(encoder, self, context)

    def optimizers(self, modules: Modules) -> dict[str, torch.optim.Optimizer]:
        free = gains(modules)
        return {name: spared(self, params, free) for name, params in modules.groups().items()}

    def pace(self, group: str) -> float:
        return self.discriminator_pace if group == "discriminator" else 1.0
