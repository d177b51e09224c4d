"""What figures of pictures show of a run: arrays made with its encoder, so that drawing them needs no torch."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from augstudy.core.bundle import Arrays, read_key, save_arrays
from augstudy.core.store import RunFolder, digest, save_array
from augstudy.data.catalogue import IMAGES
from augstudy.data.corpus import Corpus, Source
from augstudy.data.datasets.base import Labelled, fit
from augstudy.data.gallery import Stacked
from augstudy.data.images import find_image, load_image
from augstudy.evaluate.features import Extraction
from augstudy.evaluate.visuals.arrays import as_pixels
from augstudy.evaluate.visuals.attention import Attention
from augstudy.evaluate.visuals.clusters import Clusters
from augstudy.evaluate.visuals.filters import first_layer
from augstudy.evaluate.visuals.neighbours import Confusions, Neighbours
from augstudy.evaluate.visuals.pca_colours import PCAColours
from augstudy.evaluate.visuals.style import StyleTransfer, fitted
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.backbones.vit import ViT
from augstudy.learn.checkpoint import load_checkpoint, load_encoder
from augstudy.learn.sided import TwoSided
from augstudy.study.pairs import pair_pictures
from augstudy.study.plan import Run
from augstudy.study.stock import Planned

__all__ = ["Pictures", "Subject", "save_first_pictures"]

SHEET = 64  # crops kept of each corpus for the contact sheet
PAIRS = 12  # of views, kept to be shown
CONTENT, STYLE = "chelsea", "ihc"  # images that come with scikit-image, and that no published study trains on


def save_first_pictures(folder: RunFolder, run: Run, source: Source, encoder: Encoder) -> None:
    """What costs next to nothing right after training, whatever the study's figures: filters, some crops and views."""
    if not isinstance(encoder, TwoSided):  # which see some channels each: there are no colours to show
        save_array(folder.filters, first_layer(encoder))
    if run.cropped:
        save_array(folder.crops, as_pixels(source.batch(torch.arange(SHEET))))
    if run.method.contrasts and run.method.views == 2:
        save_array(folder.views, as_pixels(pair_pictures(source, run.view.pair(), torch.arange(PAIRS))))


@dataclass(frozen=True)
class Subject:
    """A finished run as galleries see it.

    Args:
        plan, folder: the run.
        source: what it was trained on.
        data, extraction: what it is probed on, and how features are read for that.
        device: where its encoder is put.
    """

    plan: Planned
    folder: RunFolder
    source: Source
    data: Labelled
    extraction: Extraction
    device: torch.device

    @cached_property
    def encoder(self) -> Encoder:
        """As it was trained, in eval mode."""
        return load_encoder(self.folder).to(self.device)

    @cached_property
    def features(self) -> Any:
        """Of the probe data: the probes' own, where they were kept."""
        return self.extraction(load_encoder(self.folder), self.data, self.device, self.folder.features)


class Gallery(ABC):
    """One figure's arrays."""

    def applies(self, run: Run, folder: RunFolder) -> bool:
        """Whether this run has such a gallery at all."""
        return True

    def facts(self, data: Labelled, extraction: Extraction) -> list[Any]:
        """What it is made with, besides the encoder."""
        return [asdict(self)]  # type: ignore[call-overload]

    @abstractmethod
    def arrays(self, subject: Subject) -> Arrays:
        """Make it."""


@dataclass(frozen=True)
class OfClusters(Gallery):
    """The last epoch's clusters of a method that has such; its checkpoint remembers them."""

    settings: Clusters = field(default_factory=Clusters)

    def applies(self, run: Run, folder: RunFolder) -> bool:
        return run.method.assigns and folder.checkpoint.exists()

    def facts(self, data: Labelled, extraction: Extraction) -> list[Any]:
        return [*super().facts(data, extraction), data.fingerprint]

    def arrays(self, subject: Subject) -> Arrays:
        state = load_checkpoint(subject.folder.checkpoint)
        assert state is not None, "a gallery of clusters where there is no checkpoint"
        labels = torch.atleast_2d(state["modules"]["labels"])[0]  # of several heads, the first
        truth = classes_of(subject.source)
        return self.settings(subject.encoder, subject.source, labels, truth, subject.data)


@dataclass(frozen=True)
class OfFeatures(Gallery):
    """Neighbours or confusions among the features that the probes read."""

    settings: Neighbours | Confusions

    def facts(self, data: Labelled, extraction: Extraction) -> list[Any]:
        return [*super().facts(data, extraction), data.fingerprint, extraction.facts()]

    def arrays(self, subject: Subject) -> Arrays:
        return self.settings(subject.features, subject.data, subject.extraction)


@dataclass(frozen=True)
class OfPlaces(Gallery):
    """PCA colours, or maps of attention, of a picture that comes with scikit-image."""

    settings: PCAColours | Attention = field(default_factory=PCAColours)
    images: tuple[str, ...] = ("chelsea",)

    def applies(self, run: Run, folder: RunFolder) -> bool:
        return isinstance(self.settings, PCAColours) or isinstance(run.backbone, ViT)

    def arrays(self, subject: Subject) -> Arrays:
        pictures = [fit(load_image(find_image(name).path), self.settings.size) for name in self.images]
        found = self.settings(subject.encoder, [picture.to(subject.device) for picture in pictures])
        return found | {"names": np.array(self.images)}


@dataclass(frozen=True)
class OfStyle(Gallery):
    """A small stylised picture."""

    settings: StyleTransfer = field(default_factory=lambda: StyleTransfer(steps=30))
    size: int = 96
    content: str = CONTENT
    style: str = STYLE

    def arrays(self, subject: Subject) -> Arrays:
        pictures = [fitted(load_image(find_image(n).path), self.size, n) for n in (self.content, self.style)]
        content, style = (picture.to(subject.device) for picture in pictures)
        done = self.settings(subject.encoder, content, style)
        credit = {image.name: image.credit for image in IMAGES}
        words = {"told": self.settings.told(), "content_name": self.content, "style_name": self.style}
        words |= {"content_credit": credit[self.content], "style_credit": credit[self.style]}
        pixels = {"content": content, "style": style, "picture": done.picture}
        return {
            **{name: as_pixels(x) for name, x in pixels.items()},
            **{name: np.array(text) for name, text in words.items()},
            "likeness": torch.tensor(done.likeness).numpy(),
        }


GALLERIES: dict[str, Gallery] = {
    "attention": OfPlaces(Attention(), ("chelsea", "coffee")),
    "clusters": OfClusters(),
    "neighbours": OfFeatures(Neighbours()),
    "confusions": OfFeatures(Confusions()),
    "pca_colours": OfPlaces(),
    "style_transfer": OfStyle(),
}


class Pictures:
    """The galleries that a study's figures ask for, and which a run lacks.

    Args:
        figures: names of the study's figures; most of them need no gallery.
        extraction: how features are read for its probes.
    """

    def __init__(self, figures: Sequence[str], extraction: Extraction) -> None:
        self.galleries = {name: GALLERIES[name] for name in figures if name in GALLERIES}
        self.extraction = extraction

    def key(self, name: str, data: Labelled) -> str:
        """Names a gallery with its settings, so that a changed one is made anew."""
        return digest([name, *self.galleries[name].facts(data, self.extraction)])

    def lacking(self, run: Run, folder: RunFolder, data: Labelled) -> list[str]:
        """The galleries that a finished run should have and has not."""
        return [
            name
            for name, gallery in self.galleries.items()
            if gallery.applies(run, folder) and read_key(folder.gallery(name)) != self.key(name, data)
        ]

    def make(self, names: Sequence[str], subject: Subject) -> None:
        """Make these galleries of a run, each on disk before the next begins."""
        for name in names:
            arrays = self.galleries[name].arrays(subject)
            save_arrays(subject.folder.gallery(name), arrays, self.key(name, subject.data))


def classes_of(source: Source) -> torch.Tensor | None:
    """(N,) the class of each crop, where the images have labels; None where they have none."""
    index = torch.arange(len(source))
    if isinstance(source, Corpus):  # which hides them from methods, for they are to learn without
        images = source.gallery
        return images.split.labels[index % len(images)] if isinstance(images, Stacked) else None
    labels = source.labels(index)
    return None if labels is None else labels.cpu()
