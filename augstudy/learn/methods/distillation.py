"""Distillation: say of augmented pictures what a teacher says of them."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax

from augstudy.core.build import check_range
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.mixing import Mixing

__all__ = ["Distillation"]


class DistillationModules(Modules):
    """The student: an encoder and a linear classifier. The teacher is only lent, so it is in no checkpoint."""

    def __init__(self, encoder: Encoder, settings: "Distillation", context: Context) -> None:
        super().__init__(encoder)
        self.settings, self.seed = settings, context.seed
        self.mixing = Mixing(settings.cutmix, settings.mixup)
        self.head = nn.Linear(encoder.width(), context.classes)
        self.lent = (context.teacher,)  # a tuple, for a module would be registered

    def classifier(self) -> nn.Linear:
        return self.head

    def loss(self, batch: Batch) -> Tensor:
        x = self.mixing(batch.views[0], self.seed, batch.step)
        return divergence(*(self._says(logits) for logits in (self.taught(x), self.logits(x))))

    def logits(self, x: Tensor) -> Tensor:
        """What the student says: (B, 3, h, w) -> (B, K)."""
        logits: Tensor = self.head(self.encoder.embed(x))
        return logits

    @torch.no_grad()
    def taught(self, x: Tensor) -> Tensor:
        """What the teacher says: (B, 3, h, w) -> (B, K)."""
        (teacher,) = self.lent
        assert teacher is not None, "a student without a teacher can be built but not trained"
        logits: Tensor = teacher(x)
        return logits

    def _says(self, logits: Tensor) -> Tensor:
        """Softened log-probabilities, (B, K)."""
        return log_softmax(logits.float() / self.settings.temperature, 1)

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        x = batch.views[0]
        taught, said = self.taught(x), self.logits(x)
        guesses = taught.argmax(1)
        shares = guesses.bincount(minlength=taught.shape[1]).double() / len(x)
        agreement = 100 * said.argmax(1).eq(guesses).double().mean().item()
        teacher, student = self._says(taught), self._says(said)
        constant = teacher.exp().mean(0).log().expand_as(teacher)  # the best that is the same for all pictures
        seen = torch.special.entr(shares).sum().exp().item()
        return [
            Diagnostic("agreement with the teacher on held-out crops", agreement, 100 * shares.max().item(), unit="%"),
            Diagnostic(
                "divergence from the teacher",
                divergence(teacher, student).item(),
                divergence(teacher, constant).item(),
                "lower",
                "nats",
            ),
            Diagnostic("classes that the teacher sees", seen, 1.0),
        ]


def divergence(target: Tensor, said: Tensor) -> Tensor:
    """Kullback-Leibler divergence of what is said from the target, both log-probabilities (B, K), mean over B, nats."""
    return kl_div(said, target, reduction="batchmean", log_target=True)


@dataclass(frozen=True)
class Distillation(Method):
    """A student learns a teacher's softened classes on its views; no label is read. Defaults are the ImageNet code's.

    Args:
        temperature: logits of both are divided by it; the loss is not multiplied by its square.
        cutmix, mixup: see `Mixing`; each is the parameter of a Beta law, 0 for off.

    "classes that the teacher sees" is the exponential of the entropy of its guesses on held-out crops: 1 where it calls
    everything the same, K where it calls each class as often. Chance of the agreement is its most frequent guess.

    Source: Asano and Saeed, "The augmented image prior: distilling 1000 classes by extrapolating from a single image",
    ICLR 2023, and the released code for ImageNet (AdamW 0.01, weight decay 5e-4, 512 a device, 200 epochs, the rate
    constant unless `--lr_schedule`; CutMix with Beta(1, 1) on every batch; temperature 8).
    """

    epochs: int = 200
    batch_size: int = 512
    optimizer: str = "adamw"
    lr: float = 0.01
    schedule: str = "constant"
    temperature: float = 8.0
    cutmix: float = 1.0
    mixup: float = 0.0
    needs_teacher: ClassVar[bool] = True
    classifies: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("temperature", self.temperature, 1e-3)
        Mixing(self.cutmix, self.mixup)

    def modules(self, encoder: Encoder, context: Context) -> DistillationModules:
        return DistillationModules(encoder, self, context)
