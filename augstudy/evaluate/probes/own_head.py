"""The encoder's own classifier on the labelled set: what a student's top-1 means in distillation."""

import copy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from augstudy.evaluate.probes.base import EncoderProbe, Metric, Subject, top1
from augstudy.learn.backbones.base import signed
from augstudy.learn.classifier import Classifier

__all__ = ["OwnHead"]

BATCH = 512


@dataclass(frozen=True)
class OwnHead(EncoderProbe):
    """Top-1 of the head that was trained with the encoder, on test images as they are; it stands at the last layer.

    Nothing is trained and nothing re-estimated: batch norm keeps the statistics of training. Of a student, the
    teacher's top-1 on the same images and how often the two agree stand beside it. Encoders without a head have none of
    these numbers, and where the head tells another number of classes than the set has, there is only the agreement.

    Source: Asano and Saeed, ICLR 2023, section 4: the student's own top-1 is what its tables show.
    """

    metrics: ClassVar[tuple[str, ...]] = ("top1", "teacher_top1", "agreement")

    def measure(self, subject: Subject) -> list[Metric]:
        if subject.head is None:
            return []
        layer, labels = subject.encoder.names[-1], subject.data.test.labels[subject.extraction.indices(subject.data)[1]]
        said = answers(Classifier(copy.deepcopy(subject.encoder), subject.head), subject)
        fits = subject.head.out_features == len(subject.data.classes)
        found = [top1(layer, said, labels)] if fits else []
        if subject.teacher is not None:
            taught = answers(subject.teacher(), subject)
            found += [top1(layer, taught, labels, "teacher_top1")] if fits else []
            found.append(top1(layer, said, taught, "agreement"))
        return found


@torch.no_grad()
def answers(classifier: nn.Module, subject: Subject) -> Tensor:
    """The class of each test image that is used, (N,), on the CPU."""
    classifier.to(subject.device).eval()
    images, index = subject.data.test.images, subject.extraction.indices(subject.data)[1]
    return torch.cat(
        [classifier(signed(images(some).to(subject.device))).argmax(1).cpu() for some in index.split(BATCH)]
    )
