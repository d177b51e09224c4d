"""Ops that change each pixel by itself, through kornia's functions, with torchvision's maths."""

from dataclasses import dataclass

import torch
from kornia.color import rgb_to_grayscale
from torch import Tensor

from augstudy.augment.base import ColorOp
from augstudy.augment.cpu import color as compiled
from augstudy.augment.cpu.threads import fits, spread_rows
from augstudy.core.build import check_range

__all__ = ["ColorJitter", "Grayscale"]


def _blend(x: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    """factor x + (1 - factor) other, clipped to [0, 1]; factor is (B,)."""
    f = factor.view(-1, 1, 1, 1)
    return (f * x + (1 - f) * other).clamp(0, 1)


def _brightness(x: Tensor, factor: Tensor) -> Tensor:
    return _blend(x, torch.zeros_like(x), factor)


def _contrast(x: Tensor, factor: Tensor) -> Tensor:
    # Rows first: a mean over all dimensions at once sums in another order for a batch of one, on several threads.
    return _blend(x, rgb_to_grayscale(x).mean(3, keepdim=True).mean((1, 2), keepdim=True), factor)


def _saturation(x: Tensor, factor: Tensor) -> Tensor:
    return _blend(x, rgb_to_grayscale(x), factor)


def _hue(x: Tensor, turns: Tensor) -> Tensor:
    """Turn the hue in HSV; the same numbers as `kornia.enhance.adjust_hue`, which takes three times as long."""
    r, g, b = x.unbind(1)  # (B, h, w) each
    value = x.amax(1)
    chroma = value - x.amin(1)
    scale = 1 / chroma.clamp(min=1e-12)
    sixths = torch.where(value == r, (g - b) * scale, torch.where(value == g, 2 + (b - r) * scale, 4 + (r - g) * scale))
    sixths = sixths + 6 * turns.view(-1, 1, 1)
    channels = []
    for corner in (5, 3, 1):  # where on the hexagon red, green and blue are smallest (Smith, SIGGRAPH 1978)
        k = torch.remainder(sixths + corner, 6)
        channels.append(value - chroma * torch.minimum(k, 4 - k).clamp_(0, 1))
    return torch.stack(channels, 1)


STEPS = (_brightness, _contrast, _saturation, _hue)


@dataclass(frozen=True)
class ColorJitter(ColorOp):
    """Brightness, contrast, saturation and hue, each by a random factor, in an order drawn for each sample.

    Args:
        brightness, contrast, saturation: a gives factors uniform in [max(0, 1 - a), 1 + a].
        hue: a gives shifts uniform in [-a, a] turns of the colour circle. In [0, 0.5].
        strength: multiplies all four.

    Source: `torchvision.transforms.ColorJitter`.
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    draws = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("brightness", "contrast", "saturation"):
            check_range(name, getattr(self, name), 0)
        check_range("hue", self.hue, 0, 0.5)
        check_range("strength x hue", self.strength * self.hue, 0, 0.5)

    @property
    def reach(self) -> tuple[float, float, float, float]:
        """Largest deviation of each factor."""
        s = self.strength
        return s * self.brightness, s * self.contrast, s * self.saturation, s * self.hue

    def sample(self, uniforms: Tensor) -> Tensor:  # (B, 8) -> (B, 8): four factors, then which step comes when
        reach = uniforms.new_tensor(self.reach)
        centre = uniforms.new_tensor([1.0, 1.0, 1.0, 0.0])
        low = torch.maximum(centre - reach, uniforms.new_tensor([0.0, 0.0, 0.0, -1.0]))
        factors = low + uniforms[:, :4] * (centre + reach - low)
        return torch.cat((factors, uniforms[:, 4:].argsort(1).float()), 1)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return self.change(x.clone(), params.cpu(), torch.arange(len(x)))

    def change(self, x: Tensor, params: Tensor, rows: Tensor) -> Tensor:
        order = params[:, 4:].long()
        if fits(x):
            flat, factors, steps = x.flatten(2).numpy(), params[:, :4].contiguous().numpy(), self._used(order).numpy()
            spread_rows(lambda mine: compiled.jitter(flat, factors, steps, mine), rows, x[0, 0].numel())
            return x
        for place in range(4):
            for step in (s for s, a in enumerate(self.reach) if a > 0):
                mine = rows[order[rows, place] == step]
                if len(mine):
                    here, factor = (t.to(x.device, non_blocking=True) for t in (mine, params[mine, step]))
                    x[here] = STEPS[step](x[here], factor)
        return x

    def _used(self, order: Tensor) -> Tensor:
        """The steps that can act, in their order, then -1: (B, 4) -> (B, 4) int64."""
        used = torch.tensor([a > 0 for a in self.reach])[order]  # (B, 4)
        places = used.logical_not().long().argsort(dim=1, stable=True)
        return torch.where(used, order, -1).gather(1, places).contiguous()


@dataclass(frozen=True)
class Grayscale(ColorOp):
    """Luma in all three channels (ITU-R 601-2); `strength` multiplies the probability."""

    p: float = 0.2
    on_or_off = True

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return rgb_to_grayscale(x).expand_as(x)

    def change(self, x: Tensor, params: Tensor, rows: Tensor) -> Tensor:
        if not fits(x):
            return super().change(x, params, rows)
        flat = x.flatten(2).numpy()
        spread_rows(lambda mine: compiled.grayscale(flat, mine), rows, x[0, 0].numel())
        return x
