"""Ops that mix, translate or choose channels: random linear maps of RGB, colour spaces, and single channels.

`ColorSpace` and `Channels` say how a picture is written, not how far it is pushed. Between them they give the
colour-split views of CMC and InfoMin: lab, then `Channels(keep=(0,))` on one side and `Channels(keep=(1, 2))`
on the other.
"""

from dataclasses import dataclass
from typing import Self

import torch
from kornia.color import rgb_to_hsv, rgb_to_ycbcr
from torch import Tensor

from augstudy.augment.base import ColorOp
from augstudy.augment.tone import power
from augstudy.core.build import check_choice, check_range
from augstudy.core.errors import UserError

__all__ = ["SPACES", "Channels", "ColorSpace", "LinearRGB"]

# Rows give channels from (R, G, B); then what each channel's values span. Sources: BT.470 (YUV, and YDbDr of SECAM),
# FCC NTSC 1953 (YIQ), in the digits of scikit-image's `yuv_from_rgb`, `yiq_from_rgb` and `ydbdr_from_rgb`.
LINEAR = {
    "yuv": ((0.299, 0.587, 0.114), (-0.14714119, -0.28886916, 0.43601035), (0.61497538, -0.51496512, -0.10001026)),
    "yiq": ((0.299, 0.587, 0.114), (0.59590059, -0.27455667, -0.32134392), (0.21153661, -0.52273617, 0.31119955)),
    "ydbdr": ((0.299, 0.587, 0.114), (-0.45, -0.883, 1.333), (-1.333, 1.116, 0.217)),
}
LAB_LOW, LAB_HIGH = (0.0, -86.1830, -107.8602), (100.0, 98.2332, 94.4782)  # what sRGB reaches, D65
# Linear sRGB to XYZ over the D65 white point.
XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
WHITE = (0.95047, 1.0, 1.08883)
SPACES = ("rgb", "hsv", "lab", "ycbcr", *LINEAR)


def mix(x: Tensor, rows: Tensor) -> Tensor:
    """Each output channel as a weighted sum: (B, 3, h, w), (B or 1, 3, 3) -> (B, 3, h, w).

    Written as products and sums: a matrix product may add in another order for another batch size.
    """
    w = rows[:, :, :, None, None]
    return x[:, None, 0] * w[:, :, 0] + x[:, None, 1] * w[:, :, 1] + x[:, None, 2] * w[:, :, 2]


def _linear(x: Tensor, space: str) -> Tensor:
    """A linear space, each channel scaled from what the RGB cube reaches to [0, 1]."""
    rows = x.new_tensor(LINEAR[space])
    low, high = rows.clamp(max=0).sum(1), rows.clamp(min=0).sum(1)  # (3,)
    return (mix(x, rows[None]) - low[:, None, None]) / (high - low)[:, None, None]


def _hsv(x: Tensor) -> Tensor:
    return rgb_to_hsv(x) / x.new_tensor([2 * torch.pi, 1, 1])[:, None, None]


def _lab(x: Tensor) -> Tensor:
    """CIE 1976 in the numbers of `kornia.color.rgb_to_lab`, whose powers depend on the batch (see `power`)."""
    linear = torch.where(x > 0.04045, power((x + 0.055) / 1.055, 2.4), x / 12.92)
    xyz = mix(linear, x.new_tensor(XYZ)[None]) / x.new_tensor(WHITE)[:, None, None]
    fx, fy, fz = torch.where(xyz > 0.008856, power(xyz, 1 / 3), 7.787 * xyz + 4 / 29).unbind(1)
    lab = torch.stack((116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)), 1)
    low, high = (x.new_tensor(bounds)[:, None, None] for bounds in (LAB_LOW, LAB_HIGH))
    return (lab - low) / (high - low)


@dataclass(frozen=True)
class LinearRGB(ColorOp):
    """A random linear map of the colours: the identity plus a 3 x 3 matrix uniform in [-amount, amount], clipped.

    Source: Rupprecht, Asano et al. name a "random linear RGB transform" among the augmentations of their one-image
    experiments but give no size; 0.25 is ours.
    """

    amount: float = 0.25
    draws = 9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("amount", self.amount, 0)

    def sample(self, uniforms: Tensor) -> Tensor:  # (B, 9) -> (B, 3, 3), rows give channels
        eye = torch.eye(3, device=uniforms.device)
        return eye + (2 * uniforms.view(-1, 3, 3) - 1) * (self.amount * self.strength)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return mix(x, params).clamp(0, 1)


@dataclass(frozen=True)
class ColorSpace(ColorOp):
    """The picture in another colour space, every channel scaled to [0, 1].

    Args:
        space: one of
            rgb: as it is;
            hsv: hue in turns, saturation, value;
            lab: CIE L*a*b* under D65; L / 100, and a and b from what sRGB reaches ([-86.2, 98.2] and [-107.9, 94.5]);
            ycbcr: JPEG's, Cb and Cr about 0.5;
            ydbdr, yiq, yuv: of SECAM, NTSC and PAL, each channel from what the RGB cube reaches.

    Zero chroma lies at 0.5, up to the a and b of Lab (0.467 and 0.533). Ops that think in RGB (ColorJitter, Grayscale)
    belong before it. It is on at any strength above 0: half a colour space is none.

    Source: Tian et al. (InfoMin), NeurIPS 2020, section 4.2, and CMC, ECCV 2020, which split these spaces by channel.
    """

    space: str = "lab"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("space", self.space, SPACES)

    @property
    def chance(self) -> float:
        return self.p if self.strength > 0 else 0.0

    def scaled(self, factor: float) -> Self:
        return self

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        if self.space == "rgb":
            return x
        if self.space in LINEAR:
            return _linear(x, self.space).clamp(0, 1)
        return {"hsv": _hsv, "lab": _lab, "ycbcr": rgb_to_ycbcr}[self.space](x).clamp(0, 1)


@dataclass(frozen=True)
class Channels(ColorOp):
    """Keep some channels; the others are filled or dropped.

    Args:
        keep: numbers of the channels that stay, from 0.
        fill: value of the others. 0.5 becomes exactly 0 where pixels are signed before the network, so an ordinary
            three-channel network takes in nothing of them.
        drop: leave the others out, so that views have `len(keep)` channels and the network must take as many: L and ab
            of a colour split then meet two networks of one and two channels, as in CMC.

    It is on at any strength above 0.
    """

    keep: tuple[int, ...] = (0,)
    fill: float = 0.5
    drop: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("fill", self.fill, 0, 1)
        if not self.keep or not set(self.keep) <= {0, 1, 2} or list(self.keep) != sorted(set(self.keep)):
            raise UserError(f"keep is {list(self.keep)}", "List channels out of 0, 1, 2, each once, in this order.")
        if self.drop and 0 < self.p < 1:
            raise UserError(
                f"p is {self.p:g} and drop is on", "Set p to 1: views of a batch have as many channels each."
            )

    @property
    def drops_channels(self) -> bool:
        return self.drop

    @property
    def chance(self) -> float:
        return self.p if self.strength > 0 else 0.0

    def scaled(self, factor: float) -> Self:
        return self

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        if self.drop:
            return x[:, list(self.keep)]
        x = x.clone()
        x[:, [c for c in range(3) if c not in self.keep]] = self.fill
        return x
