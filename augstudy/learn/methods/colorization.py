"""Colorization: tell the colours of a grey picture, as a distribution over bins of the ab plane at every place."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, log_softmax

from augstudy.core.build import check_range
from augstudy.core.errors import UserError
from augstudy.data.corpus import Source
from augstudy.learn.backbones.base import Encoder, signed
from augstudy.learn.gamut import balance, bins, census, joined, lab_of, softly
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.reading import READ

__all__ = ["Colorization"]

COARSER = 4  # a place is the mean of 4 x 4 pixels of the view, as published
STAGES = 2  # of the decoder: its first map has a place for 16 x 16 pixels
PRIOR_CROPS = 4096  # crops that tell how often each colour comes


class ColorizationModules(Modules):
    """The encoder, which sees L in all three channels, and a decoder to bins of ab."""

    bins: Tensor
    weights: Tensor

    def __init__(self, encoder: Encoder, settings: "Colorization", context: Context) -> None:
        super().__init__(encoder)
        if context.size % (COARSER << STAGES):
            what = f"colorization takes views whose side is a multiple of {COARSER << STAGES} px, not {context.size}"
            raise UserError(what, "Set view.size to 16, 32, 64, ... 224.")
        self.settings, self.side = settings, context.size // COARSER
        centres = bins()
        self.register_buffer("bins", centres)
        self.register_buffer("weights", torch.ones(len(centres)))
        width = settings.hidden
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(encoder.channels, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, len(centres), 1),
        )

    @torch.no_grad()
    def before_epoch(self, epoch: int, source: Source) -> None:
        """Before the first epoch, count how often each colour comes in the crops, as they are and at their own size."""
        if epoch:
            return
        counts = torch.zeros_like(self.weights)
        for index in torch.arange(min(len(source), PRIOR_CROPS)).split(READ):
            _, ab = lab_of(signed(source.batch(index)))
            counts += census(places(ab), self.bins)
        self.weights.copy_(balance(counts / counts.sum(), self.bins, self.settings.uniform))

    def logits(self, light: Tensor) -> Tensor:
        """(B, 1, s, s), L in [-1, 1] -> (B, Q, s / 4, s / 4)."""
        features = self.encoder(light.expand(-1, 3, -1, -1))
        start = self.side >> STAGES
        if features.shape[-1] != start:
            features = interpolate(features, (start, start), mode="bilinear", antialias=True)
        return self.decoder(features)

    def scored(self, view: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Log-probabilities (N, Q) at all places of all views, their labels (N, 5) twice over, and weights (N,)."""
        light, ab = lab_of(view)
        scores = log_softmax(places(self.logits(light)).float(), 1)
        numbers, shares = softly(places(interpolate(ab, (self.side, self.side), mode="area")), self.bins)
        return scores, numbers, shares, self.weights[numbers[:, 0]]

    def loss(self, batch: Batch) -> Tensor:
        scores, numbers, shares, weights = self.scored(batch.views[0])
        return (weights * -(shares * scores.gather(1, numbers)).sum(1)).mean()

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        """Places count as in the loss. Chance is the best that one answer for all of these places could do."""
        scores, numbers, shares, weights = self.scored(batch.views[0])
        share = weights / weights.sum()
        constant = torch.zeros_like(self.weights).index_add_(0, numbers.flatten(), (shares * share[:, None]).flatten())
        entropy = -torch.xlogy(constant, constant).sum().item()
        told = -(share * (shares * scores.gather(1, numbers)).sum(1)).sum().item()
        right = 100 * (share * scores.argmax(1).eq(numbers[:, 0])).sum().item()
        commonest = torch.zeros_like(self.weights).index_add_(0, numbers[:, 0], share).max().item()
        return [
            Diagnostic("cross-entropy of colours", told, entropy, "lower", "nats"),
            Diagnostic("colour accuracy", min(100.0, right), 100 * commonest, unit="%"),
        ]

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """Crops in threes: grey, coloured by the annealed mean, and as they are."""
        light, ab = lab_of(batch.views[0])
        annealed = (self.logits(light).float() / self.settings.temperature).softmax(1)
        guess = torch.einsum("bqhw,qc->bchw", annealed, self.bins)
        guess = interpolate(guess, ab.shape[-2:], mode="bilinear")
        threes = [joined(light, torch.zeros_like(ab)), joined(light, guess), batch.views[0].float()]
        return {"colours": torch.stack(threes, 1).flatten(0, 1)}


def places(maps: Tensor) -> Tensor:
    """(B, C, h, w) -> (B x h x w, C)."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


@dataclass(frozen=True)
class Colorization(Method):
    """L of each crop in, a distribution over the bins of ab out, rare colours weighing more.

    The encoder keeps its three channels and sees L in each of them; probes show it pictures in colour.

    Args:
        hidden: channels of the decoder's layers.
        uniform: lambda of the class rebalancing, in [0, 1]; 1 weighs all colours alike.
        temperature: of the annealed mean by which pictures are coloured; training does not know it.

    Adam with lr 3e-5, beta1 0.9 and L2 1e-3, batch 40, in steps to 1e-5 and 3e-6 after 200,000 and 375,000 of 450,000:
    14 epochs.

    Source: Zhang, Isola, Efros, "Colorful image colorization", ECCV 2016, section 2 and appendix.
    """

    epochs: int = 14
    batch_size: int = 40
    optimizer: str = "adam"
    lr: float = 3e-5
    weight_decay: float = 1e-3
    schedule: str = "steps"
    milestones: tuple[float, ...] = (4 / 9, 5 / 6)
    gamma: float = 1 / 3
    hidden: int = 256
    uniform: float = 0.5
    temperature: float = 0.38

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("hidden", self.hidden, 1)
        check_range("uniform", self.uniform, 0.001, 1)
        check_range("temperature", self.temperature, 0.01, 1)

    def modules(self, encoder: Encoder, context: Context) -> ColorizationModules:
        return ColorizationModules(encoder, self, context)
