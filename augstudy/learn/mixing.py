"""Two pictures made one: CutMix and MixUp, for a batch at a time."""

from dataclasses import dataclass

import torch
from scipy.special import betaincinv
from torch import Tensor

from augstudy.core import rng
from augstudy.core.build import check_range, check_types
from augstudy.learn.world import gathered, place

__all__ = ["Mixing", "box", "cutmix", "mixup"]


@dataclass(frozen=True)
class Mixing:
    """How a batch is mixed with itself in reverse; each of both on with some chance, where both are on in turns.

    Args:
        cutmix: a of the Beta(a, a) that the share of a picture which stays is drawn from; 0 is off.
        mixup: the same of the weights of a mean of two pictures; 0 is off.

    One draw serves a whole batch. Labels are not mixed: a teacher is asked what it sees.

    Source: Yun et al. (CutMix), ICCV 2019, algorithm 1; Zhang et al. (mixup), ICLR 2018. One box a batch, and the batch
    in reverse as partner, as in the released code of Asano and Saeed, ICLR 2023.
    """

    cutmix: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        check_types(self)
        for name in ("cutmix", "mixup"):
            check_range(name, getattr(self, name), 0)

    def __call__(self, x: Tensor, seed: int, step: int) -> Tensor:
        """(B, C, h, w) -> the same, mixed as is keyed by the step."""
        if not (self.cutmix or self.mixup):
            return x
        coin, u, v, w = rng.uniform(seed, "mixing", torch.tensor([step]), 4)[0].tolist()
        if self.cutmix and (not self.mixup or coin < 0.5):
            return cutmix(x, box(beta(self.cutmix, u), v, w, x.shape[-2], x.shape[-1]))
        return mixup(x, beta(self.mixup, u))


def beta(a: float, u: float) -> float:
    """The quantile u of Beta(a, a)."""
    return float(betaincinv(a, a, u))


def box(kept: float, v: float, w: float, height: int, width: int) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the box that is replaced: 1 - `kept` of the area, its centre uniform.

    What lies outside of the picture is lost, so that less than that may be replaced.

    Args:
        v, w: in [0, 1), where the centre lies along the height and the width.
    """
    tall, wide = (int(side * (1 - kept) ** 0.5) for side in (height, width))
    top, left = int(v * height) - tall // 2, int(w * width) - wide // 2
    return max(0, top), min(height, top + tall), max(0, left), min(width, left + wide)


def cutmix(x: Tensor, edges: tuple[int, int, int, int]) -> Tensor:
    """Each picture with a box of the batch's other end in it: (B, C, h, w) -> (B, C, h, w)."""
    top, bottom, left, right = edges
    mixed = x.clone()
    mixed[:, :, top:bottom, left:right] = reverse(x[:, :, top:bottom, left:right])
    return mixed


def mixup(x: Tensor, kept: float) -> Tensor:
    """The weighted mean of each picture and one of the batch's other end: (B, C, h, w) -> (B, C, h, w)."""
    return kept * x + (1 - kept) * reverse(x)


def reverse(x: Tensor) -> Tensor:
    """(B, ...) from the other end of the batch, which is that of all processes, the last row first."""
    rank, count = place()
    return gathered(x).flip(0).chunk(count)[rank]
