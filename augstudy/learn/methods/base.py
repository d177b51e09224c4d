"""What a pretext method is: settings in a dataclass, everything with state in the modules that it makes."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from augstudy.augment.views.base import View
from augstudy.core.build import check_choice, check_range, check_types
from augstudy.core.errors import UserError
from augstudy.data.corpus import Source
from augstudy.learn.backbones.base import Backbone, Encoder
from augstudy.learn.lars import LARS
from augstudy.learn.sided import network

__all__ = ["Batch", "Context", "Diagnostic", "Method", "Modules"]


@dataclass(frozen=True)
class Batch:
    """One training step's input.

    Args:
        views: one tensor a view, (B, 3, h, w) float, pixels in [-1, 1]; those beyond the method's own number of views,
            if there are any, may be smaller.
        index: (B,) crop numbers, on the device of the views.
        labels: (B,) where the source has labels.
        step: number of this step since the beginning.
        blank: views like `views`, of pictures in which nothing has an up (see `data.blank`); only to judge a method
            that asks for them.
    """

    views: list[Tensor]
    index: Tensor
    labels: Tensor | None = None
    step: int = 0
    blank: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class Context:
    """What a method may know before it makes its modules.

    Args:
        seed: keys whatever the method draws.
        size: side of a view in pixels.
        count: crops in the source.
        classes: labels of the source, 0 without; of a student, those of its teacher.
        teacher: pixels in [-1, 1] -> logits, in eval mode, for a method that `needs_teacher`; None where networks are
            only built, not trained.
    """

    seed: int
    size: int
    count: int
    classes: int = 0
    teacher: nn.Module | None = None


@dataclass(frozen=True)
class Diagnostic:
    """A number that would tell a human whether the pretext task is learnt.

    Args:
        metric: its name.
        value: measured on crops that are never trained on.
        chance: what a network that learnt nothing would get.
        better: "higher" or "lower".
        unit: "%", "nats" or "" for a pure number.
    """

    metric: str
    value: float
    chance: float
    better: str = "higher"
    unit: str = ""


class Modules(nn.Module, ABC):
    """The networks of a method in training, and all its other state, so that `state_dict` resumes it."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor | dict[str, Tensor]:
        """A scalar, or one scalar for each group of `groups`, which alone it trains."""

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        """The one number for log and curve, of the losses of several groups: their sum."""
        return torch.stack(list(losses.values())).sum()

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters that share an optimiser, by the name of their loss."""
        return {"loss": [p for p in self.parameters() if p.requires_grad]}

    def before_epoch(self, epoch: int, source: Source) -> Tensor | None:
        """Prepare an epoch; may return the (N,) order in which to visit the crops."""
        return None

    def renewed(self, epoch: int) -> tuple[str, ...]:
        """Groups whose optimiser begins anew with this epoch, for their weights do."""
        return ()

    def rehearse(self) -> None:
        """Put stand-ins where `before_epoch` would have put something, so that single steps can be timed without it."""
        return None

    def before_step(self) -> None:
        """Change gradients before the optimisers see them: clip them, or keep a layer as it is."""
        return None

    def after_step(self) -> None:
        """Update whatever follows the weights: momentum encoders, queues."""
        return None

    @abstractmethod
    def diagnostics(self, batch: Batch) -> list[Diagnostic]:
        """Judge the pretext task on held-out crops, in eval mode."""

    def projected(self, views: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Unit vectors (B, D) of both views, as a contrastive loss compares them; only of a method that `contrasts`."""
        raise NotImplementedError(f"{type(self).__name__} compares no views")

    def outcome(self) -> Encoder:
        """The network that is kept and probed, which may be another than the one that has gradients."""
        return self.encoder

    def compared(self, views: list[Tensor]) -> list[Tensor]:
        """The two views that `sides` embed and `projected` takes, of those that the loop makes."""
        return views

    def sides(self) -> tuple[Encoder, Encoder]:
        """The networks that embed the first and the second view."""
        return self.encoder, self.encoder

    def classifier(self) -> nn.Linear | None:
        """What tells classes from the encoder's `embed`, of a method that `classifies`; it is kept with the encoder."""
        return None

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """What there is to see after training, by name: (n, 3, h, w), pixels in [-1, 1], from held-out crops."""
        return {}


@dataclass(frozen=True)
class Method(ABC):
    """A pretext method and how it is optimised.

    Args:
        epochs: passes over the source.
        batch_size: crops in a step; each may give several views.
        optimizer: "sgd" (with `momentum` and `nesterov`), "lars" (the same, each layer's step in proportion to its
            weights, but for biases and norms, which do not decay either), "adam" or "adamw".
        lr: largest learning rate.
        momentum: of SGD and LARS, or beta1 of Adam.
        weight_decay: L2 penalty; decoupled for adamw.
        schedule: "constant", "cosine" (to 0), "steps" (times `gamma` at each of `milestones`) or "exponential"
            (constant until the first milestone, then down to `gamma` at the end).
        milestones: when steps happen, as shares of the training.
        warmup: share of the training over which lr rises from 0.
    """

    epochs: int = 200
    batch_size: int = 128
    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    milestones: tuple[float, ...] = field(default=())
    gamma: float = 0.1
    warmup: float = 0.0

    lars_vectors: ClassVar[bool] = False  # LARS scales and decays biases and norms too
    views: ClassVar[int] = 1  # views a step needs of each crop
    multicrop: ClassVar[bool] = False  # trains on further views too, whatever their number and size
    trains: ClassVar[bool] = True
    needs_labels: ClassVar[bool] = False
    needs_teacher: ClassVar[bool] = False  # learns what a classifier says of its views
    classifies: ClassVar[bool] = False  # trains a classifier along with the encoder
    contrasts: ClassVar[bool] = False  # compares two views of a crop, so that their shared information can be told
    two_encoders: ClassVar[bool] = False  # can train an encoder a view, where the two are not of one kind
    needs_blank: ClassVar[bool] = False  # is judged on blank pictures too
    assigns: ClassVar[bool] = False  # its modules keep the cluster of each crop as `labels`, (N,) or (heads, N)

    def __post_init__(self) -> None:
        check_types(self)
        check_range("epochs", self.epochs, 0)
        check_range("batch_size", self.batch_size, 2)
        check_choice("optimizer", self.optimizer, ("sgd", "lars", "adam", "adamw"))
        check_range("lr", self.lr, 0)
        check_range("momentum", self.momentum, 0, 0.9999)
        if self.optimizer in ("sgd", "lars") and self.nesterov and self.momentum == 0:
            raise UserError("nesterov needs momentum, which is 0", "Set nesterov: false, or momentum above 0.")
        check_range("weight_decay", self.weight_decay, 0)
        if self.optimizer == "lars" and self.weight_decay == 0:  # published trainings then scale no step
            raise UserError("lars needs a weight_decay above 0", "Set weight_decay: 1e-6, or another optimizer.")
        check_choice("schedule", self.schedule, ("constant", "cosine", "steps", "exponential"))
        for at in self.milestones:
            check_range("milestones", at, 0, 1)
        check_range("gamma", self.gamma, 0, 1)
        check_range("warmup", self.warmup, 0, 1)

    @abstractmethod
    def modules(self, encoder: Encoder, context: Context) -> Modules:
        """Everything that is trained, around this encoder."""

    def visits(self, count: int) -> int:
        """How many of `count` crops an epoch trains on."""
        return count

    def steps(self, count: int) -> int:
        """Steps of the whole training on so many crops."""
        seen = self.visits(count)
        return max(1, seen // min(self.batch_size, seen)) * self.epochs

    def network(self, backbone: Backbone, view: View) -> Backbone:
        """What is trained: the backbone, or two where the sides of the views are not of one kind."""
        return network(backbone, view) if self.trains else backbone

    def passes(self) -> int:
        """How many times, in the whole training, `before_epoch` reads all crops through the encoder."""
        return 0

    def norm_spans(self, devices: int) -> bool:
        """Whether batch norm sees the batch of all devices, as it would on one, rather than the part of each.

        Raises:
            UserError: the batch cannot be shared out among so many.
        """
        if self.batch_size % devices:
            what = f"a batch of {self.batch_size} cannot be shared out among {devices} devices"
            raise UserError(what, f"Set method.batch_size to a multiple of {devices}, or devices to less.")
        return True

    def pace(self, group: str) -> float:
        """What share of the learning rate the optimiser of this group takes."""
        return 1.0

    def tune(self, optimizer: torch.optim.Optimizer, progress: float) -> None:
        """Set what changes in an optimiser besides the rate, after this share of the training, in [0, 1]."""
        return None

    def optimizers(self, modules: Modules) -> dict[str, torch.optim.Optimizer]:
        """One optimiser for each group."""
        return {name: self.optimizer_for(params) for name, params in modules.groups().items()}

    def optimizer_for(self, params: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser named by the settings."""
        decay = self.weight_decay
        if self.optimizer == "sgd":
            return torch.optim.SGD(params, self.lr, self.momentum, weight_decay=decay, nesterov=self.nesterov)
        if self.optimizer == "lars":
            return LARS(params, self.lr, self.momentum, decay, self.nesterov, vectors=self.lars_vectors)
        kind = torch.optim.Adam if self.optimizer == "adam" else torch.optim.AdamW
        return kind(params, self.lr, betas=(self.momentum, 0.999), weight_decay=decay)

    def lr_share(self, progress: float) -> float:
        """What share of `lr` is in force after this share of the training, in [0, 1]."""
        if progress < self.warmup:
            return progress / self.warmup
        if self.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * (progress - self.warmup) / (1 - self.warmup)))
        if self.schedule == "steps":
            return self.gamma ** sum(progress >= at for at in self.milestones)
        if self.schedule == "exponential":
            start = self.milestones[0] if self.milestones else 0.0
            return self.gamma ** ((progress - start) / (1 - start)) if progress > start else 1.0
        return 1.0
