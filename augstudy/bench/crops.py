"""Crops of one image: this package's corpus against the released script's recipe in torchvision and Pillow."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

import torch
from torch import Tensor

from augstudy.augment.cpu.threads import cores
from augstudy.augment.sampler import QUALITIES
from augstudy.bench.base import SIZES, Bench, Job, Line, Settings, Side, race
from augstudy.bench.references.script import Script
from augstudy.bench.references.truth import Aims, aims, our_crops, psnr, script_crops, supersampled
from augstudy.data.corpus import Corpus, Recipe
from augstudy.data.images import ImageUsed, find_image, load_image

__all__ = ["Crops"]


@dataclass(frozen=True)
class Crops(Bench):
    """Crops per second, and how near their geometry is to supersampling, at the script's defaults.

    Args:
        quality_crops: crops that the PSNR is taken over.
    """

    quality_crops: int = 32

    def lines(self, settings: Settings) -> Iterator[Line]:
        """A line for each size and quality of ours; all of one size have the same reference."""
        used = picture(settings.image)
        image, processes = load_image(used.path), cores()
        name = f"torchvision and Pillow, {processes} processes"
        for size in settings.sizes or SIZES:
            ours = [Side(q, CropJob(image, recipe, settings.place)) for q, recipe in recipes(size).items()]
            rates = race([*ours, Side(name, Script(used.path, size), processes)], settings.seconds, settings.place)
            judge = Judge(image, size, self.quality_crops) if settings.quality else None
            for quality, recipe in recipes(size).items():
                more = {**(judge.decibels(recipe, settings.place) if judge else {}), "image": used.label}
                more |= {"batch": batch_size(size, settings.place), "threads": torch.get_num_threads()}
                key = {"size": size, "quality": quality}
                yield Line("crops", key, settings.place, rates[quality], name, rates[name], more)


def recipes(size: int) -> dict[str, Recipe]:
    """The script's defaults at each quality of the warp."""
    return {quality: Recipe(size=size, quality=quality) for quality in QUALITIES}


def picture(name: str | None) -> ImageUsed:
    """Image B, the largest of the paper's at 2560x1920, or else the largest that an installed package carries."""
    return find_image(name) if name else find_image("B", fallback="retina")


def batch_size(size: int, device: torch.device) -> int:
    """About two million pixels a batch, 16 million on a GPU; a power of two."""
    pixels = 2**21 if device.type == "cpu" else 2**24
    return 1 << max(2, round(math.log2(pixels / size**2)))


@dataclass(frozen=True, eq=False)
class CropJob(Job):
    """Crops of a corpus in batches, (B, 3, size, size) float on the device, one number after the other."""

    image: Tensor
    recipe: Recipe
    device: torch.device

    def start(self) -> Callable[[], int]:
        corpus = Corpus(self.image, self.recipe, device=self.device)
        batch = batch_size(self.recipe.size, self.device)
        numbers = count(0, batch)

        def step() -> int:
            first = next(numbers)
            return len(corpus.batch(torch.arange(first, first + batch)))

        return step


@dataclass(frozen=True)
class Judge:
    """The truth about some crops of an image at one size, and what the reference makes of them."""

    image: Tensor
    size: int
    crops: int
    aimed: Aims = field(init=False)
    truth: Tensor = field(init=False)
    reference: float = field(init=False)

    def __post_init__(self) -> None:
        recipe = Recipe(size=self.size)
        aimed = aims(recipe, (self.image.shape[1], self.image.shape[2]), self.crops)
        truth = supersampled(self.image, aimed.matrix, self.size)
        object.__setattr__(self, "aimed", aimed)
        object.__setattr__(self, "truth", truth)
        object.__setattr__(self, "reference", psnr(script_crops(self.image, recipe, aimed), truth))

    def decibels(self, recipe: Recipe, device: torch.device) -> dict[str, float]:
        """PSNR of ours and of the reference, in dB."""
        crops = our_crops(self.image, recipe, self.aimed, device)
        return {"psnr_db": psnr(crops, self.truth), "reference_psnr_db": self.reference}
