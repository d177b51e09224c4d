"""What single units of a layer answer to: pictures made for them, and the crops that excite them most."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from augstudy.core import rng
from augstudy.core.build import check_range, check_types
from augstudy.core.errors import UserError, nearest
from augstudy.data.corpus import Source
from augstudy.evaluate.visuals.style import variation
from augstudy.learn.backbones.base import Encoder, signed

__all__ = ["Exciting", "Neurons"]

CHUNK = 512


@dataclass(frozen=True)
class Exciting:
    """The crops that excite each of U units most.

    Args:
        crops: (U, shown) int64, their numbers, the most exciting first.
        activation: (U, shown), the largest response of the unit over all places of the crop.
    """

    crops: Tensor
    activation: Tensor


@dataclass(frozen=True)
class Neurons:
    """Activation maximisation: gradient ascent on pixels, from grey with some noise, of a unit's mean response.

    Args:
        layer: "" takes the last.
        units: channels of it; () takes `count` of them, evenly spaced.
        count: see there.
        steps: of ascent, the gradient of each picture scaled to a root mean square of 1 before each.
        rate: pixels move by this much in a step, of a range of 1.
        jitter: px, the picture is shifted by up to so much in each step (Mordvintsev et al., "Inceptionism", 2015).
        blur: px, sd of a Gaussian blur after every fourth step (Yosinski et al., "Understanding neural networks through
            deep visualization", 2015, section 3).
        decay: share by which pixels fall back to grey in a step (L2; the same).
        tv_weight: of the total variation (Mahendran and Vedaldi, CVPR 2015).
        size: px, of the square picture.
        seed: of noise and shifts.
    """

    layer: str = ""
    units: tuple[int, ...] = field(default=())
    count: int = 8
    steps: int = 96
    rate: float = 0.02
    jitter: int = 4
    blur: float = 0.5
    decay: float = 0.005
    tv_weight: float = 1.0
    size: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        check_range("count", self.count, 1)
        check_range("steps", self.steps, 1)
        check_range("rate", self.rate, 0)
        check_range("jitter", self.jitter, 0)
        check_range("blur", self.blur, 0)
        check_range("decay", self.decay, 0, 1)
        check_range("tv_weight", self.tv_weight, 0)
        check_range("size", self.size, 32)

    def told(self) -> str:
        """How pictures are made, for a caption."""
        return (
            f"by {self.steps} steps of gradient ascent from grey noise, with shifts of up to {self.jitter} px, blur "
            f"(sd {self.blur:g} px every fourth step), decay ({self.decay:g}) and total variation ({self.tv_weight:g})"
        )

    def chosen(self, encoder: Encoder) -> tuple[str, list[int]]:
        """The layer and the units that are looked at.

        Raises:
            UserError: the encoder has no such layer, or the layer no such unit.
        """
        layer = self.layer or encoder.names[-1]
        if layer not in encoder.names:
            raise UserError(f"the encoder has no layer {layer!r}", nearest(layer, encoder.names))
        with torch.no_grad():
            device = next(encoder.parameters()).device
            width = encoder.layers(torch.zeros(1, 3, self.size, self.size, device=device))[layer].shape[1]
        if wrong := [unit for unit in self.units if not 0 <= unit < width]:
            raise UserError(f"layer {layer} has no unit {wrong[0]}", f"Give numbers from 0 to {width - 1}.")
        return layer, list(self.units) or torch.linspace(0, width - 1, min(self.count, width)).round().int().tolist()

    def maximised(
        self, encoder: Encoder, report: Callable[[int, int], None] = lambda *_: None
    ) -> tuple[Tensor, Tensor]:
        """Pictures made for the units, (U, 3, size, size) in [0, 1], and the largest response to each, (U,).

        Args:
            report: told steps done and in all.
        """
        layer, units = self.chosen(encoder)
        encoder = encoder.eval().requires_grad_(False)
        x = self._grey(len(units)).to(next(encoder.parameters()).device)
        shifts = (rng.uniform(self.seed, "neurons/shift", torch.arange(self.steps), 2) * (2 * self.jitter + 1)).int()
        for step, shift in enumerate((shifts - self.jitter).tolist()):
            x.requires_grad_()
            seen = x.roll(shift, (-2, -1))
            goal = response(encoder, seen, layer, units).mean((1, 2)).sum()
            goal = goal - self.tv_weight * len(units) * variation(seen)
            (slope,) = torch.autograd.grad(goal, x)
            slope = slope / slope.square().mean((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)
            x = 0.5 + (1 - self.decay) * (x.detach() + self.rate * slope - 0.5)
            if self.blur and step % 4 == 3:
                x = gaussian_blur(x, [5, 5], [self.blur, self.blur])
            x = x.clamp(0, 1)
            report(step + 1, self.steps)
        with torch.no_grad():
            return x, response(encoder, x, layer, units).amax((1, 2))

    @torch.no_grad()
    def exciting(self, encoder: Encoder, source: Source, looked_at: int = 2048, shown: int = 8) -> Exciting:
        """The crops that excite the units most, of the first `looked_at` of a source."""
        layer, units = self.chosen(encoder)
        index = torch.arange(min(looked_at, len(source)))
        parts = [
            encoder.layers(signed(source.batch(some)))[layer][:, units].amax((2, 3)) for some in index.split(CHUNK)
        ]
        best = torch.cat(parts).T.topk(min(shown, len(index)))  # (U, shown)
        return Exciting(best.indices.cpu(), best.values.cpu())

    def _grey(self, count: int) -> Tensor:  # -> (U, 3, size, size)
        u = rng.uniform(self.seed, "neurons/noise", torch.arange(count), 3 * self.size**2)
        return (0.5 + 0.5 * (u - 0.5)).view(count, 3, self.size, self.size)


def response(encoder: Encoder, x: Tensor, layer: str, units: list[int]) -> Tensor:
    """Picture i's response at unit i: (U, 3, h, w) -> (U, h', w')."""
    y = encoder.layers(signed(x))[layer]
    return y[torch.arange(len(units)), units]
