"""DINO: a network learns to say of any view what a slower copy of it says of a large one, without labels."""

import copy
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, normalize, softmax
from torchvision.ops import StochasticDepth

from augstudy.core.build import check_choice, check_range
from augstudy.learn.agreement import matched
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.collapse import spread
from augstudy.learn.decay import spared
from augstudy.learn.methods.base import Batch, Context, Diagnostic, Method, Modules
from augstudy.learn.momentum import follow, rising
from augstudy.learn.multicrop import passes
from augstudy.learn.targets import OPERATIONS, centred, sinkhorn
from augstudy.learn.world import gathered

__all__ = ["DINO"]

# Of Sinkhorn-Knopp; one is a softmax over the batch, with rows made to add up to 1.
ROUNDS = {"sinkhorn": 3, "softmax": 1}


class Head(nn.Module):
    """Three layers to a unit vector, and its cosines with prototypes: (B, width) -> (B, prototypes).

    lightly's has a weight norm that torch has deprecated, and which makes it impossible to copy.
    """

    def __init__(self, width: int, settings: "DINO") -> None:
        super().__init__()
        sizes = [width, settings.hidden, settings.hidden, settings.bottleneck]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            linear = nn.Linear(inputs, outputs)
            nn.init.trunc_normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)
            layers += [linear, *([nn.BatchNorm1d(outputs)] if settings.head_norm else []), nn.GELU()]
        self.layers = nn.Sequential(*layers[: -2 if settings.head_norm else -1])  # the last is linear
        last = nn.Linear(settings.bottleneck, settings.prototypes, bias=False)
        self.last = nn.utils.parametrizations.weight_norm(last)
        length = self.last.parametrizations.weight.original0
        nn.init.ones_(length)
        length.requires_grad = not settings.norm_last

    def unit(self, x: Tensor) -> Tensor:
        """(B, width) -> (B, bottleneck), of length 1."""
        return normalize(self.layers(x), dim=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.unit(x))
        return y


class Network(nn.Module):
    """Encoder and head: images -> logits."""

    def __init__(self, encoder: Encoder, head: Head) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, h, w) -> (B, prototypes)
        y: Tensor = self.head(self.encoder.embed(x))
        return y

    def each(self, views: list[Tensor]) -> list[Tensor]:
        """The logits of each view, (B, prototypes)."""
        return passes(self.encoder.embed, views, self.head)


class DINOModules(Modules):
    """Student, teacher, and the centre of the teacher's logits."""

    center: Tensor

    def __init__(self, encoder: Encoder, settings: "DINO", context: Context) -> None:
        super().__init__(encoder)
        self.settings, self.steps, self.progress = settings, settings.steps(context.count), 0.0
        self.student = Network(encoder, Head(encoder.width(), settings))
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        for module in self.teacher.modules():
            if isinstance(module, StochasticDepth):
                module.p = 0.0
        self.register_buffer("center", torch.zeros(settings.prototypes))
        self.fresh: Tensor | None = None  # mean logits of this step, which move the centre after it

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of what the student says of each view, with the target of each other large view."""
        self.progress = batch.step / self.steps
        large = self.settings.views
        with torch.no_grad():
            logits = torch.cat(self.teacher.each(batch.views[:large]))
            self.fresh = gathered(logits).mean(0)
            targets = self.targets(logits).chunk(large)
        said = [log_softmax(y / self.settings.student_temperature, 1) for y in self.student.each(batch.views)]
        losses = [
            -(target * words).sum(1).mean()
            for t, target in enumerate(targets)
            for s, words in enumerate(said)
            if s != t
        ]
        return torch.stack(losses).mean()

    def targets(self, logits: Tensor) -> Tensor:
        """(B, K) logits of the teacher, of all large views -> (B, K) probabilities."""
        temperature = self.settings.temperature_at(self.progress)
        if self.settings.operation == "centering":
            return centred(logits, self.center, temperature)
        return sinkhorn(logits, temperature, ROUNDS[self.settings.operation])

    def before_step(self) -> None:
        """Each parameter's gradient is clipped by itself, and prototypes stay as they are at first, as released."""
        if self.settings.clip:
            for p in self.student.parameters():
                if p.grad is not None:
                    nn.utils.clip_grad_norm_([p], self.settings.clip)
        if self.progress < self.settings.frozen:
            for p in self.student.head.last.parameters():
                p.grad = None

    def after_step(self) -> None:
        assert self.fresh is not None
        self.center.lerp_(self.fresh.to(self.center.dtype), 1 - self.settings.center_momentum)
        ema = rising(self.settings.ema, self.progress) if self.settings.momentum_teacher else 0.0
        follow(self.teacher, self.student, ema)

    def outcome(self) -> Encoder:
        """The teacher's, as published; without momentum it is the student's."""
        found = self.teacher.encoder
        assert isinstance(found, Encoder)
        return found

    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        """Both collapses, to one prototype and to all alike, leave no information on the picture in what is said."""
        first, second = batch.views[:2]
        logits, k = self.student(first), self.settings.prototypes
        said = softmax(logits / self.settings.student_temperature, 1)
        entropy, of_mean = (torch.special.entr(p).sum(-1).mean().item() for p in (said, said.mean(0)))
        named = self.targets(self.teacher(torch.cat((first, second)))).argmax(1).chunk(2)
        return [
            Diagnostic("information in what is said", of_mean - entropy, 0.0, unit="nats"),
            Diagnostic("entropy of what is said", entropy, math.log(k), "lower", "nats"),
            Diagnostic("entropy of its mean", of_mean, 0.0, unit="nats"),
            matched("views with the same prototype", *named),
            *spread(self.teacher.head.unit(self.teacher.encoder.embed(second))),
        ]


@dataclass(frozen=True)
class DINO(Method):
    """Self-distillation with no labels; the defaults are those of ViT-S/16, 800 epochs of ImageNet.

    Args:
        prototypes: K, over which student and teacher give probabilities.
        hidden, bottleneck: widths of the head's hidden layers and of the unit vector before the prototypes.
        head_norm: batch norm in the head.
        norm_last: prototypes are of length 1; more stable, and better left out for small networks.
        operation: what is done to the teacher's logits: "centering" (their moving average is taken off, and a softmax
            over prototypes), "sinkhorn" (Sinkhorn-Knopp over the batch, three rounds) or "softmax" (the same in one
            round: a softmax over the batch).
        momentum_teacher: the teacher is a moving average of the student; without, it is the student of the same step.
        ema: what share of the teacher stays in a step at the beginning; it rises to 1.
        student_temperature, teacher_temperature: of the softmaxes, and of Sinkhorn-Knopp.
        first_temperature: the teacher's at the beginning, which becomes `teacher_temperature` in a straight line over
            the share `temperature_warmup` of the training.
        center_momentum: what share of the centre stays in a step.
        frozen: share of the training in which prototypes stay as they are.
        clip: largest norm of each parameter's gradient; 0 does not clip.
        weight_decay: at the beginning, rising to `last_weight_decay` by half a cosine; biases and norms have none.

    What is kept and probed is the teacher. Views beyond the first two, which may be smaller, only the student sees.

    Source: Caron et al., "Emerging properties in self-supervised vision transformers", ICCV 2021, section 3 and
    appendix; the released code and its settings for ViT-S/16 (batch 1024, lr 0.0005 x batch / 256).
    """

    epochs: int = 800
    batch_size: int = 1024
    optimizer: str = "adamw"
    lr: float = 0.002
    weight_decay: float = 0.04
    warmup: float = 0.0125
    prototypes: int = 65536
    hidden: int = 2048
    bottleneck: int = 256
    head_norm: bool = False
    norm_last: bool = False
    operation: str = "centering"
    momentum_teacher: bool = True
    ema: float = 0.996
    student_temperature: float = 0.1
    teacher_temperature: float = 0.07
    first_temperature: float = 0.04
    temperature_warmup: float = 0.0375
    center_momentum: float = 0.9
    frozen: float = 0.00125
    clip: float = 3.0
    last_weight_decay: float = 0.4
    views: ClassVar[int] = 2
    multicrop: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("prototypes", self.prototypes, 2)
        for name in ("hidden", "bottleneck"):
            check_range(name, getattr(self, name), 1)
        check_choice("operation", self.operation, OPERATIONS)
        for name in ("ema", "temperature_warmup", "center_momentum", "frozen"):
            check_range(name, getattr(self, name), 0, 1)
        for name in ("student_temperature", "teacher_temperature", "first_temperature"):
            check_range(name, getattr(self, name), 1e-3, 10)
        for name in ("clip", "last_weight_decay"):
            check_range(name, getattr(self, name), 0)

    def modules(self, encoder: Encoder, context: Context) -> DINOModules:
        return DINOModules(encoder, self, context)

    def temperature_at(self, progress: float) -> float:
        """The teacher's after this share of the training."""
        risen = min(1.0, progress / self.temperature_warmup) if self.temperature_warmup else 1.0
        return self.first_temperature + risen * (self.teacher_temperature - self.first_temperature)

    def optimizers(self, modules: Modules) -> dict[str, torch.optim.Optimizer]:
        return {"loss": spared(self, modules.groups()["loss"])}

    def tune(self, optimizer: torch.optim.Optimizer, progress: float) -> None:
        share = (1 - math.cos(math.pi * progress)) / 2
        optimizer.param_groups[0]["weight_decay"] = self.weight_decay + share * (
            self.last_weight_decay - self.weight_decay
        )
