"""Fine-tuning: what a network is worth as a start for training with labels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.core.errors import UserError, nearest
from augstudy.evaluate.augmented import Augmented
from augstudy.evaluate.features import calibrated
from augstudy.evaluate.probes.base import EncoderProbe, Metric, Subject, top1
from augstudy.evaluate.probes.low_label import stratified
from augstudy.evaluate.scores import class_count
from augstudy.learn.backbones.base import Encoder, signed
from augstudy.learn.sided import TwoSided

__all__ = ["Finetune"]

TEST_BATCH = 512


@dataclass(frozen=True)
class Finetune(EncoderProbe):
    """A copy of the encoder and a linear layer on `embed`, trained with labels; top-1 stands at its first layer.

    Layers below that one stay frozen, their batch norms in eval mode. The encoder itself is left as it was.

    Args:
        starts: first layers to train from, one training each; none for all layers together.
        percent: of the training labels, the same share of each class and one image at least.
        epochs, batch_size, lr, weight_decay: of AdamW, with a cosine schedule.

    Source: Zhai et al., "A large-scale study of representation learning", 2019, for fine-tuning beside linear
    evaluation; freezing from below is Yosinski et al., NeurIPS 2014, and the single-image paper's section 4.4.
    """

    starts: tuple[str, ...] = ()
    percent: float = 100.0
    epochs: int = 10
    batch_size: int = 128
    lr: float = 1e-3
    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        check_range("percent", self.percent, 1e-3, 100)
        check_range("epochs", self.epochs, 1)
        check_range("batch_size", self.batch_size, 2)
        check_range("lr", self.lr, 0)
        check_range("weight_decay", self.weight_decay, 0)

    def measure(self, subject: Subject) -> list[Metric]:
        names = subject.encoder.names
        for start in self.starts:
            if start not in names:
                raise UserError(f"finetune: starts: the encoder has no layer {start!r}", nearest(start, names))
        return [self._from(start, subject) for start in self.starts or names[:1]]

    def _from(self, start: str, subject: Subject) -> Metric:
        data, device = subject.data, subject.device
        train, test = subject.extraction.indices(data)
        train = train[stratified(data.train.labels[train], self.percent / 100, 0)]
        encoder = calibrated(subject.encoder, data.train, subject.extraction.calibrate, device)
        with torch.no_grad():
            width = encoder.embed(signed(data.train.images(train[:1]).to(device))).shape[1]
        with rng.torch_seeded(0, "probe/finetune"):
            head = nn.Linear(width, class_count(data.train.labels, data.test.labels)).to(device)
        self._train(encoder, head, start, Augmented(data.train, train, device, scale=(0.3, 1.0)))
        guesses = list(_guesses(encoder.eval(), head, data.test.images, test, device))
        return top1(start, torch.cat(guesses), data.test.labels[test])

    def _train(self, encoder: Encoder, head: nn.Linear, start: str, views: Augmented) -> None:
        encoder.requires_grad_(False)
        tuned = nn.ModuleList([*blocks_from(encoder, start), head]).requires_grad_(True)
        optimizer = torch.optim.AdamW(tuned.parameters(), self.lr, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.epochs)
        for epoch in range(self.epochs):
            tuned.train()
            for x, labels in views.epoch(epoch, self.batch_size):
                optimizer.zero_grad(set_to_none=True)
                cross_entropy(head(encoder.embed(x)), labels).backward()
                optimizer.step()
            schedule.step()


def blocks_from(encoder: Encoder, start: str) -> list[nn.Module]:
    """The block that ends in layer `start` and all after it, of both sides where there are two."""
    sides = encoder.pair if isinstance(encoder, TwoSided) else (encoder,)
    return [block for side in sides for block in list(side.blocks.values())[list(side.blocks).index(start) :]]


@torch.no_grad()
def _guesses(
    encoder: Encoder, head: nn.Linear, images: Callable[[Tensor], Tensor], index: Tensor, device: torch.device
) -> Iterator[Tensor]:
    for some in index.split(TEST_BATCH):
        yield head(encoder.embed(signed(images(some).to(device)))).argmax(1).cpu()
