"""Masked autoencoder: from a quarter of an image's patches, predict the pixels of the rest."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from augstudy.core.build import check_range
from augstudy.core.errors import UserError
from augstudy.learn.backbones.base import Encoder, Tokens
from augstudy.learn.backbones.vit import SPREAD, Block, sincos
from augstudy.learn.decay import spared
from augstudy.learn.masked import GREY, pasted, patches_of, shuffled, transformer
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules

__all__ = ["MAE"]

BETA2 = 0.95  # of AdamW


class Decoder(nn.Module):
    """Encoded tokens of the patches that are seen -> pixels of all patches, a smaller transformer."""

    places: Tensor

    def __init__(self, width: int, side: int, patch: int, settings: "MAE") -> None:
        super().__init__()
        dim = settings.decoder_dim
        self.grid = side, side
        self.embed = nn.Linear(width, dim)
        self.mask_token = nn.Parameter(torch.empty(1, 1, dim))
        nn.init.normal_(self.mask_token, std=SPREAD)
        self.register_buffer("places", sincos(dim, side), persistent=False)
        self.blocks = nn.Sequential(*(Block(dim, settings.decoder_heads, 0.0) for _ in range(settings.decoder_depth)))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.pixels = nn.Linear(dim, 3 * patch**2)

    def forward(self, encoded: Tensor, seen: Tensor) -> Tensor:
        """
        Args:
            encoded: (B, 1 + S, width), [CLS] first.
            seen: (B, S), which patches these are.

        Returns:
            (B, N, 3 patch^2).
        """
        y = self.embed(encoded)  # (B, 1 + S, dim)
        everywhere = self.mask_token.to(y.dtype).expand(len(y), self.places.shape[1] - 1, -1)
        patches = everywhere.scatter(1, seen[..., None].expand(-1, -1, y.shape[2]), y[:, 1:])  # (B, N, dim)
        sequence = torch.cat((y[:, :1], patches), 1) + self.places
        out: Tensor = self.pixels(self.norm(self.blocks(Tokens(sequence, self.grid)).sequence[:, 1:]))
        return out


class MAEModules(Modules):
    """The encoder, which is given no token of a hidden patch, and the decoder."""

    def __init__(self, encoder: Encoder, settings: "MAE", context: Context) -> None:
        super().__init__(encoder)
        self.settings, self.context = settings, context
        self.vit = transformer(encoder, context, "mae")
        side = context.size // self.vit.patch
        self.seen = max(1, int(side**2 * (1 - settings.ratio)))
        if self.seen == side**2:
            what = f"ratio {settings.ratio} hides none of {side**2} patches"
            raise UserError(what, "Set ratio to more, or backbone.patch to less.")
        self.decoder = Decoder(self.vit.width(), side, self.vit.patch, settings)

    def encoded(self, images: Tensor, seen: Tensor) -> Tensor:
        """(B, 3, s, s) and which patches are seen (B, S) -> (B, 1 + S, width): [CLS] and these patches alone."""
        sequence, grid = self.vit.embedding(images)
        kept = sequence[:, 1:].gather(1, seen[..., None].expand(-1, -1, sequence.shape[2]))
        return self.vit.encoded(Tokens(torch.cat((sequence[:, :1], kept), 1), grid))

    def loss(self, batch: Batch) -> Tensor:
        """Mean squared error over the pixels of hidden patches."""
        hidden, said, wanted = self._task(batch)
        at = hidden[..., None].expand(-1, -1, wanted.shape[2])
        return (said.gather(1, at) - wanted.gather(1, at)).square().mean()

    def _task(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Which patches are hidden (B, H), and what is said and wanted of all (B, N, 3 patch^2)."""
        images = batch.views[0]
        wanted = patches_of(images, self.vit.patch)
        seen, hidden = shuffled(self.context, "mae", batch, wanted.shape[1]).tensor_split([self.seen], 1)
        said = self.decoder(self.encoded(images, seen), seen)
        return hidden, said, normed(wanted)[0] if self.settings.norm_targets else wanted

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        """Chance predicts the mean: of the patch itself where targets are normalised, else of the patches seen."""
        hidden, said, wanted = self._task(batch)
        at = hidden[..., None].expand(-1, -1, wanted.shape[2])
        masked = torch.zeros_like(wanted[..., 0]).scatter(1, hidden, 1.0)[..., None]  # (B, N, 1)
        mean = (wanted * (1 - masked)).sum((1, 2), keepdim=True) / (1 - masked).sum(1, keepdim=True) / wanted.shape[2]
        guess = torch.zeros_like(mean) if self.settings.norm_targets else mean
        error, chance = ((x - wanted.gather(1, at)).square().mean().item() for x in (said.gather(1, at), guess))
        return [Diagnostic("reconstruction error", error, chance, "lower")]

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """Where targets are normalised, hidden patches have their own mean and contrast, which nobody told."""
        hidden, said, _ = self._task(batch)
        patches = patches_of(batch.views[0], self.vit.patch)
        if self.settings.norm_targets:
            _, mean, deviation = normed(patches)
            said = said * deviation + mean
        mask = torch.zeros_like(patches[..., 0], dtype=torch.bool).scatter(1, hidden, True)
        shown: dict[str, Tensor | float] = {"masked": GREY, "reconstruction": said}
        return {"input": batch.views[0]} | {k: pasted(patches, mask, x, self.vit.patch) for k, x in shown.items()}


def normed(patches: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Patches (B, N, P) at mean 0 and variance 1 each, and the means and deviations that they had, (B, N, 1)."""
    mean, deviation = patches.mean(2, keepdim=True), (patches.var(2, keepdim=True) + 1e-6).sqrt()
    return (patches - mean) / deviation, mean, deviation


@dataclass(frozen=True)
class MAE(Method):
    """Hide most patches from the encoder, and let a decoder predict their pixels; a transformer is needed.

    Args:
        ratio: share of patches that is hidden.
        norm_targets: each patch is predicted at mean 0 and variance 1.
        decoder_dim, decoder_depth, decoder_heads: of the decoder.

    Source: He, Chen, Xie, Li, Dollár, Girshick, "Masked autoencoders are scalable vision learners", CVPR 2022, sections
    3 and 4, appendix A.1, and the released code: AdamW with beta2 0.95, lr 1.5e-4 x batch / 256, batch 4096, 800
    epochs, 40 of them warming up; biases and norms do not decay.
    """

    epochs: int = 800
    batch_size: int = 4096
    optimizer: str = "adamw"
    lr: float = 2.4e-3
    weight_decay: float = 0.05
    warmup: float = 0.05
    ratio: float = 0.75
    norm_targets: bool = True
    decoder_dim: int = 512
    decoder_depth: int = 8
    decoder_heads: int = 16
    views: ClassVar[int] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("ratio", self.ratio, 0, 0.999)
        for name in ("decoder_dim", "decoder_depth", "decoder_heads"):
            check_range(name, getattr(self, name), 1)
        if self.decoder_dim % self.decoder_heads or self.decoder_dim % 4:
            what = f"decoder_dim is {self.decoder_dim}, no multiple of 4 and of decoder_heads {self.decoder_heads}"
            raise UserError(what, "Set decoder_dim to such a multiple.")

    def modules(self, encoder: Encoder, context: Context) -> MAEModules:
        return MAEModules(encoder, self, context)

    def optimizers(self, modules: Modules) -> dict[str, torch.optim.Optimizer]:
        optimizer = spared(self, modules.groups()["loss"])
        for group in optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (self.momentum, BETA2)
        return {"loss": optimizer}
