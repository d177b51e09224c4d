"""Many crops of one image or several, or the images of a data set, made on demand: what pretraining reads."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from augstudy.augment.base import Op
from augstudy.augment.color import ColorJitter
from augstudy.augment.crops import CenterCrop, KeepInside, RandomCrop, RandomResizedCrop
from augstudy.augment.geometry import HorizontalFlip, Rotate, Shear
from augstudy.augment.graph import Draw, Graph
from augstudy.augment.sampler import QUALITIES, Pyramid
from augstudy.core import rng
from augstudy.core.build import check_choice, check_interval, check_range, check_types
from augstudy.core.transfer import sent
from augstudy.data.datasets.base import Split
from augstudy.data.gallery import Gallery, gallery
from augstudy.data.numbers import Numbers, numbered

__all__ = ["Corpus", "Reading", "Recipe", "Source", "Whole"]


@dataclass(frozen=True)
class Recipe:
    """How one image becomes `count` crops; the defaults are those of the released single-image script.

    Args:
        count: crops in the corpus.
        size: side of a crop in pixels.
        initial_crop: side of the first random square as a share of the shorter image side; 0 leaves it out.
        scale: bounds of a crop's area as a share of what the first square left.
        ratio: bounds of width over height.
        area: "uniform" or "log", the law of the area (see `RandomResizedCrop`).
        enlarge: the box is resized to `enlarge` x `size`, turned, then cut to its centre, so that a turn needs no
            pixels from outside it.
        rotation, shear: largest angles, in degrees.
        flip_p: probability of a horizontal flip.
        brightness, contrast, saturation, hue, jitter_p: see `ColorJitter`.
        border: "valid" keeps every crop inside the image; "reflect" and "black" let it look beyond. (The script
            blackens whatever lies outside the resized box, so 29 % of its crops have black corners; "black" does so
            only outside the image.)
        antialias: False reads the image as grid_sample does.
        quality: "default", or "fine" for more reads a pixel (see `Pyramid.warp`).

    Source: Asano, Rupprecht, Vedaldi, "A critical analysis of self-supervision", ICLR 2020, section 3, and its
    released `make_dataset_single.py`. The flip is the paper's; the script's is off.
    """

    count: int = 1_281_167
    size: int = 256
    initial_crop: float = 0.5
    scale: tuple[float, float] = (0.002, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    area: str = "uniform"
    enlarge: float = math.sqrt(2)
    rotation: float = 30.0
    shear: float = 30.0
    flip_p: float = 0.5
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    jitter_p: float = 0.5
    border: str = "valid"
    antialias: bool = True
    quality: str = "default"

    def __post_init__(self) -> None:
        check_types(self)
        check_range("count", self.count, 1)
        check_range("size", self.size, 8, 4096)
        check_range("initial_crop", self.initial_crop, 0, 1)
        check_interval("scale", self.scale, 1e-6, 1)
        check_interval("ratio", self.ratio, 0.01, 100)
        check_choice("area", self.area, ("uniform", "log"))
        check_range("enlarge", self.enlarge, 1, 4)
        check_range("rotation", self.rotation, 0, 180)
        check_range("shear", self.shear, 0, 80)
        for name in ("flip_p", "jitter_p"):
            check_range(name, getattr(self, name), 0, 1)
        for name in ("brightness", "contrast", "saturation"):
            check_range(name, getattr(self, name), 0)
        check_range("hue", self.hue, 0, 0.5)
        check_choice("border", self.border, ("valid", "reflect", "black"))
        check_choice("quality", self.quality, QUALITIES)

    def graph(self) -> Graph:
        """The ops in the script's order, those that can never act left out."""
        ops: list[Op] = []
        if self.initial_crop > 0:
            ops.append(RandomCrop(fraction=self.initial_crop))
        side = int(self.enlarge * self.size)
        ops.append(RandomResizedCrop(size=side, scale=self.scale, ratio=self.ratio, area=self.area, attempts=32))
        if self.shear > 0:  # before the turn, as torchvision's RandomAffine composes the two
            ops.append(Shear(degrees=self.shear))
        if self.rotation > 0:
            ops.append(Rotate(degrees=self.rotation))
        if side != self.size:
            ops.append(CenterCrop(size=self.size))
        if self.flip_p > 0:
            ops.append(HorizontalFlip(self.flip_p))
        if self.border == "valid":
            ops.append(KeepInside())
        jitter = (self.brightness, self.contrast, self.saturation, self.hue)
        if self.jitter_p > 0 and any(jitter):
            ops.append(ColorJitter(self.jitter_p, *jitter))
        return Graph(tuple(ops))


@dataclass(frozen=True)
class Reading:
    """How some samples of a batch are made: all of them, unless they come from several images.

    Args:
        rows: their places in the batch, (b,) int64 on the CPU.
        source: the image that they are cut from, or one image for each.
        graph, draws: what happens to it.
    """

    rows: Tensor
    source: Pyramid
    graph: Graph
    draws: list[Draw]


class Source(ABC):
    """What pretraining reads: numbered crops, and views of them."""

    size: int  # side of a crop in pixels

    @abstractmethod
    def __len__(self) -> int:
        """Crops to train on."""

    @abstractmethod
    def view(self, index: Numbers, graph: Graph | None = None, epoch: int = 0, view: int = 0) -> Tensor:
        """Views of crops, each a pure function of (seed, index, epoch, view): (B,) -> (B, 3, h, w) float in [0, 1]."""

    @abstractmethod
    def readings(self, index: Numbers, graph: Graph | None = None, epoch: int = 0, view: int = 0) -> list[Reading]:
        """How `view` makes the same views."""

    def batch(self, index: Numbers) -> Tensor:
        """The crops themselves: (B,) -> (B, 3, size, size) float in [0, 1].

        Args:
            index: whole numbers from 0 on, a tensor or a list; of none, an empty batch is made.

        Raises:
            TypeError: it is nothing of the kind.
            IndexError: a number is negative, or beyond the images of a set that is read as it is. (Crops go on beyond
                the last of a corpus: see `held_out`.)
        """
        return self.view(index)

    @abstractmethod
    def held_out(self, count: int) -> Tensor:
        """Numbers of crops that are never trained on: (count,) or fewer."""

    def labels(self, index: Numbers) -> Tensor | None:
        """(B,) labels, where there are any."""
        return None


@dataclass(frozen=True)
class Corpus(Source):
    """The crops of one image or of several; crop i of a seed is the same whatever the batch, worker or resume point.

    Crop i is cut from image i mod N, so each of N images gives count/N crops, rounded down or up, and has no label. A
    view's geometry is composed with its crop's, so a view is sampled once, straight from the image. A corpus is a
    map-style data set for a DataLoader of the user's own.

    Args:
        images: one image (3, H, W) uint8; images of any size or their paths, read when needed; or a split of a
            labelled set. Kept as a `Gallery`.
        recipe: how crops are made.
        seed: names the corpus.
        device: where crops are made.
    """

    images: Tensor | Sequence[Tensor | Path] | Split | Gallery
    recipe: Recipe = field(default_factory=Recipe)
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    gallery: Gallery = field(init=False)
    crop: Graph = field(init=False)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "gallery", gallery(self.images))
        object.__setattr__(self, "images", self.gallery)
        object.__setattr__(self, "crop", self.recipe.graph())
        object.__setattr__(self, "size", self.recipe.size)

    def __len__(self) -> int:
        return self.recipe.count

    def readings(self, index: Numbers, graph: Graph | None = None, epoch: int = 0, view: int = 0) -> list[Reading]:
        index = numbered(index)
        first = Graph(()) if graph is not None and graph.from_source else self.crop
        whole, draws = first, first.sample(self.seed, "crop", index)
        if graph is not None:
            whole, draws = whole + graph, draws + graph.sample(self.seed, "view", index, epoch, view)
        parts = self.gallery.groups(index % len(self.gallery), self.device)
        return [
            Reading(rows, source, whole, [Draw(d.touched[rows], d.params[rows]) for d in draws])
            for rows, source in parts
        ]

    def view(self, index: Numbers, graph: Graph | None = None, epoch: int = 0, view: int = 0) -> Tensor:
        index = numbered(index)
        if not len(index):
            return self.view([0], graph)[:0]
        border = "black" if self.recipe.border == "black" else "reflect"
        readings = self.readings(index, graph, epoch, view)
        pixels = [r.graph(r.source, r.draws, border, self.recipe.antialias, self.recipe.quality) for r in readings]
        if len(pixels) == 1:
            return pixels[0]
        order = torch.cat([r.rows for r in readings]).argsort()
        return torch.cat(pixels)[sent(order, self.device)]

    def __getitem__(self, i: int) -> Tensor:
        """Crop i alone, (3, size, size) float in [0, 1]."""
        return self.__getitems__([i])[0]

    def __getitems__(self, numbers: list[int]) -> list[Tensor]:
        """What a DataLoader asks for when it can: the crops of a batch, made together."""
        if wrong := [i for i in numbers if not 0 <= i < len(self)]:
            raise IndexError(f"crop {wrong[0]} of a corpus of {len(self)}")
        return list(self.batch(torch.tensor(numbers)))

    def held_out(self, count: int) -> Tensor:
        """Crops beyond the last of the corpus: the same images and law, other numbers."""
        return torch.arange(len(self), len(self) + count)


@dataclass(frozen=True)
class Whole(Source):
    """The images of a labelled set as they are, in a keyed order, the last `reserve` of them kept out of training.

    Sets often come sorted by class; in their own order the reserve would be all of one class.

    Args:
        split: the training split.
        size: side of its images in pixels.
        seed: keys the views.
        device: where views are made.
        reserve: images held out to judge the pretext task on, at most a tenth of them.
        limit: take only the first so many of that order, the held-out ones among them; None for all.
    """

    split: Split
    size: int
    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    reserve: int = 512
    limit: int | None = None
    order: Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", rng.permutation(0, "whole/order", len(self.split))[: self.limit])

    def __len__(self) -> int:
        return len(self.order) - min(self.reserve, len(self.order) // 10)

    def readings(self, index: Numbers, graph: Graph | None = None, epoch: int = 0, view: int = 0) -> list[Reading]:
        index = numbered(index)
        source = Pyramid(self._pixels(index))
        graph = graph or Graph(())
        draws = graph.sample(self.seed, "view", index, epoch, view) if graph.ops else []
        return [Reading(torch.arange(len(index)), source, graph, draws)]

    def view(self, index: Numbers, graph: Graph | None = None, epoch: int = 0, view: int = 0) -> Tensor:
        index = numbered(index)
        if not len(index):
            return self.view([0], graph)[:0]
        if graph is None:  # a pyramid would be made for nothing
            return self._pixels(index).float() / 255
        (reading,) = self.readings(index, graph, epoch, view)
        return graph(reading.source, reading.draws)

    def held_out(self, count: int) -> Tensor:
        return torch.arange(len(self), len(self.order))[:count]

    def labels(self, index: Numbers) -> Tensor:
        return sent(self.split.labels[self._places(index)], self.device)

    def _pixels(self, index: Numbers) -> Tensor:
        """(B, 3, h, w) uint8, on the device."""
        return sent(self.split.images(self._places(index)), self.device)

    def _places(self, index: Numbers) -> Tensor:
        """Where in the split these images are: (B,) int64."""
        return self.order[numbered(index, len(self.split))]
