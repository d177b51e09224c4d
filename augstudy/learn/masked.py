"""What methods share that hide patches of an image and predict them."""

import math

import torch
from lightly.models.utils import patchify, unpatchify
from torch import Tensor

from augstudy.core import rng
from augstudy.core.errors import UserError
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.backbones.vit import ViTEncoder
from augstudy.learn.methods.base import Batch, Context

__all__ = ["GREY", "pasted", "patches_of", "shuffled", "transformer", "upscaled"]

GREY = 0.0  # what a hidden pixel is shown as


def transformer(encoder: Encoder, context: Context, method: str) -> ViTEncoder:
    """The encoder, which must be a transformer that cuts a view into whole patches.

    Raises:
        UserError: it is another network, or the view's side is no multiple of the patch's.
    """
    if not isinstance(encoder, ViTEncoder):
        what = f"{method} hides tokens, and this backbone has none"
        raise UserError(what, "Set backbone: {name: vit}, and its sizes for views this small.")
    if context.size % encoder.patch:
        what = f"views of {context.size} px are no whole number of patches of {encoder.patch} px"
        raise UserError(what, f"Set view.size to a multiple of {encoder.patch}, or backbone.patch to a divisor.")
    return encoder


def shuffled(context: Context, method: str, batch: Batch, count: int) -> Tensor:
    """An order of `count` units for each crop of a batch, keyed by crop and step: (B, count) int64."""
    return rng.uniform(context.seed, f"{method}/mask", batch.index, count, epoch=batch.step).argsort(1)


def patches_of(images: Tensor, patch: int) -> Tensor:
    """(B, 3, s, s) -> (B, N, 3 patch^2), row by row."""
    found: Tensor = patchify(images.contiguous(), patch)
    return found


def pasted(patches: Tensor, hidden: Tensor, replacement: Tensor | float, patch: int) -> Tensor:
    """Images (B, 3, s, s) of patches (B, N, P) in which those that are hidden, (B, N), are replaced."""
    shown: Tensor = unpatchify(torch.where(hidden[..., None], replacement, patches), patch)
    return shown


def upscaled(units: Tensor, times: int) -> Tensor:
    """A square of units (B, N) as one of patches, each unit `times` x `times` of them: (B, N times^2)."""
    side = math.isqrt(units.shape[1])
    square = units.unflatten(1, (side, side))
    return square.repeat_interleave(times, 1).repeat_interleave(times, 2).flatten(1)
