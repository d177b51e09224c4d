"""SimMIM: predict the pixels of hidden patches with a single linear layer, the encoder seeing where they are."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from augstudy.core.build import check_range
from augstudy.core.errors import UserError
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.backbones.vit import SPREAD
from augstudy.learn.decay import spared, vectors
from augstudy.learn.masked import GREY, pasted, patches_of, shuffled, transformer, upscaled
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules

__all__ = ["SimMIM"]

SPARED = ("cls_token", "pos_embed")  # what the released code lets not decay, besides vectors


class SimMIMModules(Modules):
    """The encoder, the token that stands for a hidden patch, and the linear layer to pixels."""

    def __init__(self, encoder: Encoder, settings: "SimMIM", context: Context) -> None:
        super().__init__(encoder)
        self.settings, self.context = settings, context
        self.vit = transformer(encoder, context, "simmim")
        size, patch = settings.mask_size, self.vit.patch
        if size % patch or context.size % size:
            what = (
                f"mask_size {size} is no multiple of the patch's {patch} px, or no divisor of the view's {context.size}"
            )
            raise UserError(what, f"Set mask_size to a multiple of {patch} that divides {context.size}.")
        self.units = (context.size // size) ** 2
        self.mask_token = nn.Parameter(torch.empty(1, 1, self.vit.width()))
        nn.init.trunc_normal_(self.mask_token, std=SPREAD)
        self.head = nn.Linear(self.vit.width(), 3 * patch**2)

    def hidden(self, batch: Batch) -> Tensor:
        """Which patches are hidden, whole units at a time: (B, N) bool."""
        order = shuffled(self.context, "simmim", batch, self.units)
        count = math.ceil(self.settings.ratio * self.units)
        units = torch.zeros_like(order, dtype=torch.bool).scatter(1, order[:, :count], True)
        return upscaled(units, self.settings.mask_size // self.vit.patch)

    def said(self, images: Tensor, hidden: Tensor) -> Tensor:
        """(B, 3, s, s) and what is hidden (B, N) -> pixels of all patches, (B, N, 3 patch^2)."""
        embedding = self.vit.embedding
        y = embedding.proj(images)
        grid = y.shape[2], y.shape[3]
        patches = torch.where(hidden[..., None], self.mask_token.to(y.dtype), y.flatten(2).transpose(1, 2))
        found: Tensor = self.head(self.vit.encoded(embedding.joined(patches, grid))[:, 1:])
        return found

    def loss(self, batch: Batch) -> Tensor:
        """Mean distance over the values of hidden pixels."""
        hidden = self.hidden(batch)
        wanted = patches_of(batch.views[0], self.vit.patch)
        return error(self.said(batch.views[0], hidden) - wanted, hidden)

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        """Chance of the first is the mean colour of what is seen, of the second that of the hidden patch itself."""
        hidden = self.hidden(batch)
        wanted = patches_of(batch.views[0], self.vit.patch)
        said = self.said(batch.views[0], hidden)
        seen = (~hidden)[..., None, None].float()
        colours = wanted.unflatten(2, (-1, 3))  # (B, N, pixels, 3)
        weight = seen.sum((1, 2), keepdim=True) * colours.shape[2]
        guess = ((colours * seen).sum((1, 2), keepdim=True) / weight.clamp(min=1)).expand_as(colours).flatten(2)
        values = [(said - wanted, guess - wanted), (flattened(said - wanted), flattened(wanted))]
        names = ("reconstruction error", "reconstruction error within patches")
        return [
            Diagnostic(name, error(own, hidden).item(), error(chance, hidden).item(), "lower")
            for name, (own, chance) in zip(names, values, strict=True)
        ]

    def before_step(self) -> None:
        if self.settings.clip:
            nn.utils.clip_grad_norm_(self.parameters(), self.settings.clip)

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        hidden, patch = self.hidden(batch), self.vit.patch
        patches = patches_of(batch.views[0], patch)
        shown: dict[str, Tensor | float] = {"masked": GREY, "reconstruction": self.said(batch.views[0], hidden)}
        return {"input": batch.views[0]} | {k: pasted(patches, hidden, x, patch) for k, x in shown.items()}


def flattened(patches: Tensor) -> Tensor:
    """(B, N, P) patches less their own mean colours."""
    colours = patches.unflatten(2, (-1, 3))
    return (colours - colours.mean(2, keepdim=True)).flatten(2)


def error(difference: Tensor, hidden: Tensor) -> Tensor:
    """Mean absolute value of (B, N, P) over hidden patches (B, N)."""
    weight = hidden[..., None].to(difference.dtype)
    return (difference.abs() * weight).sum() / (weight.sum() * difference.shape[2])


@dataclass(frozen=True)
class SimMIM(Method):
    """Put one learnt token in the place of hidden patches and predict their pixels; a transformer is needed.

    Args:
        ratio: share of units that is hidden, rounded up.
        mask_size: side of a unit in pixels, a multiple of the backbone's patch.
        clip: largest norm of all gradients together; 0 does not clip.

    Source: Xie et al., "SimMIM: a simple framework for masked image modeling", CVPR 2022, section 3, and the released
    settings of ViT-B: lr 1e-4 x batch / 512, batch 2048, 800 epochs, ten of them warming up, divided by 10 after 700.
    """

    epochs: int = 800
    batch_size: int = 2048
    optimizer: str = "adamw"
    lr: float = 4e-4
    weight_decay: float = 0.05
    schedule: str = "steps"
    milestones: tuple[float, ...] = (0.875,)
    warmup: float = 0.0125
    ratio: float = 0.6
    mask_size: int = 32
    clip: float = 5.0
    views: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("ratio", self.ratio, 0.001, 0.999)
        check_range("mask_size", self.mask_size, 1)
        check_range("clip", self.clip, 0)

    def modules(self, encoder: Encoder, context: Context) -> SimMIMModules:
        return SimMIMModules(encoder, self, context)

    def optimizers(self, modules: Modules) -> dict[str, torch.optim.Optimizer]:
        places = [p for name, p in modules.named_parameters() if name.endswith(SPARED)]
        return {"loss": spared(self, modules.groups()["loss"], [*vectors(modules.parameters()), *places])}
