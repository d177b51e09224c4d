"""Colours as classes: bins of the ab plane that sRGB reaches, soft labels, weights against grey, and colours again."""

from functools import lru_cache

import torch
from kornia.color import lab_to_rgb, rgb_to_lab
from torch import Tensor

__all__ = ["balance", "bins", "census", "joined", "lab_of", "softly"]

WIDTH = 10.0  # side of a bin, in units of a and b
SPAN = 100  # more than the bins from one end of an axis to the other
NEAREST, SIGMA = 5, 5.0  # bins that share a pixel's label, and the Gaussian by whose height they share it
LATTICE = 65  # levels of each channel at which sRGB is looked at; twice as many find no further bin


@lru_cache(maxsize=1)
def bins() -> Tensor:
    """Centres of all squares of the ab plane, multiples of 10, that hold a colour of sRGB: (Q, 2).

    These are 261. The released `pts_in_hull.npy` has 313, some, such as (-90, 50), where no colour comes near.

    Source: Zhang, Isola, Efros, ECCV 2016, section 2.1.
    """
    with torch.device("cpu"):  # values are needed even where networks are made without memory
        level = torch.linspace(0, 1, LATTICE)
        rgb = torch.stack(torch.meshgrid(level, level, level, indexing="ij")).view(1, 3, LATTICE, -1)
        a, b = (rgb_to_lab(rgb)[0, 1:].flatten(1) / WIDTH).round().long()
        codes = (a * SPAN + b).unique()
        rows = (codes / SPAN).round()
        return torch.stack((rows, codes - rows * SPAN), 1) * WIDTH


def census(ab: Tensor, centres: Tensor) -> Tensor:
    """How many pixels lie in each bin: (N, 2), (Q, 2) -> (Q,) int64."""
    places, known = ((x / WIDTH).round().long() for x in (ab, centres))
    codes, wanted = (x[:, 0] * SPAN + x[:, 1] + SPAN * SPAN // 2 for x in (places, known))
    return codes.bincount(minlength=SPAN * SPAN)[wanted]


def lab_of(view: Tensor) -> tuple[Tensor, Tensor]:
    """L scaled to [-1, 1], and ab in their own units: (B, 3, h, w) in [-1, 1] -> (B, 1, h, w), (B, 2, h, w)."""
    lab = rgb_to_lab(((view.float() + 1) / 2).clamp(0, 1))
    return lab[:, :1] / 50 - 1, lab[:, 1:]


def joined(light: Tensor, ab: Tensor) -> Tensor:
    """The picture of this L and ab, as `lab_of` gives them; (B, 3, h, w) in [-1, 1]."""
    return lab_to_rgb(torch.cat(((light + 1) * 50, ab), 1), clip=True) * 2 - 1


def softly(ab: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Which bins share each pixel's label and how much each has: (..., 2), (Q, 2) -> (..., 5) numbers, (..., 5) shares.

    The nearest bin comes first; shares add up to 1.

    Source: Zhang et al., ECCV 2016, section 2.1: the five nearest, weighted by a Gaussian of 5.
    """
    squared = (ab[..., :1] - centres[:, 0]).square() + (ab[..., 1:] - centres[:, 1]).square()  # (..., Q)
    near, numbers = squared.topk(min(NEAREST, len(centres)), largest=False)
    return numbers, (-near / (2 * SIGMA**2)).softmax(-1)


def balance(prior: Tensor, centres: Tensor, uniform: float) -> Tensor:
    """What a pixel of each bin counts in the loss: (Q,), its mean under the smoothed prior is 1.

    Args:
        prior: (Q,) share of each bin among the pixels of the corpus.
        uniform: share of the uniform distribution in the mix whose inverse is the weight; 1 weighs all alike.

    Source: Zhang et al., ECCV 2016, eq. 4: prior smoothed by a Gaussian of 5, mixed by a half, inverted.
    """
    near = (-torch.cdist(centres, centres).square() / (2 * SIGMA**2)).exp()
    smooth = (near / near.sum(1, keepdim=True)).T @ prior  # each bin's share is spread over its surroundings
    weights = 1 / ((1 - uniform) * smooth + uniform / len(prior))
    return weights / (smooth * weights).sum()
