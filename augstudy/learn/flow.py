"""Invertible maps of a pixel's colours, and pictures split in two by one: view families that are learnt."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from augstudy.augment.colorspace import SPACES, ColorSpace
from augstudy.core.build import check_choice, check_range, check_types
from augstudy.learn.backbones.base import signed

__all__ = ["Coupling", "Flow", "Generator", "Mix", "Split"]

CHANNELS = 3
CACHED = 4096  # pixels whose hidden units stay in a core's cache: three times as fast as all of a batch at once


class PerPixel(nn.Conv2d):
    """A 1x1 convolution, of pixels (..., C): as a product of matrices several times as fast, for channels are few."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__(channels, out, 1)

    def forward(self, x: Tensor) -> Tensor:  # (..., C) -> (..., out)
        return linear(x, self.weight.flatten(1), self.bias)


class Coupling(nn.Module):
    """One channel moved by what a small network makes of the other two, pixel by pixel; at first the identity.

    Args:
        moved: number of the channel.
        hidden: width of the network's two hidden layers.
        affine: the channel is scaled too, by a factor between 1/e and e; otherwise something is only added to it.

    Source: Dinh et al. (NICE), 2014, section 3.2, for addition; Dinh et al. (RealNVP), ICLR 2017, eq. 4, for both.
    """

    def __init__(self, moved: int, hidden: int, affine: bool) -> None:
        super().__init__()
        self.moved, self.affine = moved, affine
        self.others = [c for c in range(CHANNELS) if c != moved]
        last = PerPixel(hidden, 2 if affine else 1)
        nn.init.zeros_(last.weight)
        assert last.bias is not None
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(
            PerPixel(len(self.others), hidden), nn.ReLU(), PerPixel(hidden, hidden), nn.ReLU(), last
        )

    def terms(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logarithm of the factor and the summand of the moved channel: (B, 3, h, w) -> twice (B, 1, h, w)."""
        pixels = x[:, self.others].movedim(1, -1)  # (B, h, w, 2)
        rows = pixels.flatten(0, -2)
        told = torch.cat([self.net(some) for some in rows.split(CACHED if x.device.type == "cpu" else len(rows))])
        found = told.view(*pixels.shape[:-1], -1).movedim(-1, 1)
        return (found[:, 1:].tanh() if self.affine else torch.zeros_like(found)), found[:, :1]

    def forward(self, x: Tensor) -> Tensor:
        scale, shift = self.terms(x)
        return self._with(x, x[:, self.moved : self.moved + 1] * scale.exp() + shift)

    def inverse(self, y: Tensor) -> Tensor:
        """What `forward` made of it; the other channels, which tell factor and summand, are as they were."""
        scale, shift = self.terms(y)
        return self._with(y, (y[:, self.moved : self.moved + 1] - shift) * (-scale).exp())

    def log_det(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, h, w)."""
        return self.terms(x)[0][:, 0]

    def _with(self, x: Tensor, channel: Tensor) -> Tensor:
        return torch.cat((x[:, : self.moved], channel, x[:, self.moved + 1 :]), 1)


class Mix(nn.Module):
    """Colours times a matrix L (U + diag(exp(s))), which has an inverse whatever its numbers; at first the identity.

    Source: Kingma and Dhariwal (Glow), NeurIPS 2018, section 3.2, invertible 1x1 convolution in its LU form.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lower, self.upper = (nn.Parameter(torch.zeros(CHANNELS, CHANNELS)) for _ in range(2))
        self.scale = nn.Parameter(torch.zeros(CHANNELS))

    def factors(self) -> tuple[Tensor, Tensor]:
        """L and U + diag(exp(s)), (3, 3) each."""
        eye = torch.eye(CHANNELS, device=self.scale.device)
        return self.lower.tril(-1) + eye, self.upper.triu(1) + eye * self.scale.exp()

    def forward(self, x: Tensor) -> Tensor:
        lower, upper = self.factors()
        return nn.functional.conv2d(x, (lower @ upper)[:, :, None, None])

    def inverse(self, y: Tensor) -> Tensor:
        """What `forward` made of it."""
        lower, upper = self.factors()
        flat = torch.linalg.solve_triangular(lower, y.flatten(2), upper=False, unitriangular=True)
        return torch.linalg.solve_triangular(upper, flat, upper=True).view_as(y)

    def log_det(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, h, w)."""
        return self.scale.sum().expand(len(x), *x.shape[2:])


class Flow(nn.Module):
    """Couplings in turn on each channel, (B, 3, h, w) -> (B, 3, h, w); every pixel by itself, and it can be undone.

    Args:
        layers: couplings.
        hidden: see `Coupling`.
        preserving: volumes are kept: couplings only add. Otherwise they scale too, with a `Mix` before each.
    """

    def __init__(self, layers: int, hidden: int, preserving: bool) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        for i in range(layers):
            steps += [] if preserving else [Mix()]
            steps.append(Coupling(i % CHANNELS, hidden, affine=not preserving))
        self.steps = nn.ModuleList(steps)

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = step(x)
        return x

    def inverse(self, y: Tensor) -> Tensor:
        """What `forward` made of it, up to rounding."""
        for step in reversed(self.steps):
            assert isinstance(step, Coupling | Mix)
            y = step.inverse(y)
        return y

    def log_det(self, x: Tensor) -> Tensor:
        """Logarithm of the factor by which volumes of colours grow at each pixel: (B, 3, h, w) -> (B, h, w)."""
        total = x.new_zeros(len(x), *x.shape[2:])
        for step in self.steps:
            assert isinstance(step, Coupling | Mix)
            total, x = total + step.log_det(x), step(x)
        return total


@dataclass(frozen=True)
class Split:
    """How a picture becomes a view of one channel and a view of two.

    Args:
        space: colour space of the flow's input (see `ColorSpace`).
        preserving, layers, hidden: of the `Flow`.

    Source: Tian et al. (InfoMin), NeurIPS 2020, section 4.2: a flow of 1x1 convolutions, volume preserving or not, its
    output split into {1 | 2:3}. No code was released; numbers of layers and widths are ours.
    """

    space: str = "rgb"
    preserving: bool = True
    layers: int = 6
    hidden: int = 32

    def __post_init__(self) -> None:
        check_types(self)
        check_choice("space", self.space, SPACES)
        check_range("layers", self.layers, 1)
        check_range("hidden", self.hidden, 1)


class Generator(nn.Module):
    """Pixels (B, 3, h, w) in [-1, 1] -> both views, (B, 1, h, w) and (B, 2, h, w); at first the plain channels."""

    channels = (1, 2)

    def __init__(self, split: Split) -> None:
        super().__init__()
        self.space = ColorSpace(space=split.space)
        self.flow = Flow(split.layers, split.hidden, split.preserving)

    def forward(self, x: Tensor) -> list[Tensor]:
        y = self.flow(signed(self.space.apply((x + 1) / 2, x)))
        return [y[:, :1], y[:, 1:]]
