"""The two-view stack of MoCo v2: this package's graph against kornia's classes and torchvision's."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import kornia
import torch
import torchvision
from torch import Tensor

from augstudy.augment.cpu.threads import cores
from augstudy.augment.sampler import Pyramid
from augstudy.augment.views.standard import Standard
from augstudy.bench.base import SIZES, Bench, Job, Line, Settings, Side, race
from augstudy.bench.crops import picture
from augstudy.bench.references.stacks import KorniaViews, TorchvisionViews
from augstudy.core import rng
from augstudy.data.images import load_image

__all__ = ["Views"]

CROPPING_MODES = ("slice", "resample")  # kornia's two; which is faster depends on the batch and the device


@dataclass(frozen=True)
class Views(Bench):
    """Images per second, two views made of each; the reference is the faster of kornia and torchvision."""

    def lines(self, settings: Settings) -> Iterator[Line]:
        """One line a size."""
        used = picture(settings.image)
        image, device = load_image(used.path), settings.place
        for size in settings.sizes or SIZES:
            images = cutouts(image, source_side(size), batch_size(size, device))
            rates = race(sides(images, size, device), settings.seconds, device)
            mode = max(CROPPING_MODES, key=lambda mode: rates[mode])
            found = {kornia_name(mode): rates[mode], torchvision_name(): rates["torchvision"]}
            reference = max(found, key=lambda name: found[name])
            more = {"kornia_per_s": rates[mode], "torchvision_per_s": rates["torchvision"], "image": used.label}
            more |= {"source_size": images.shape[-1], "batch": len(images), "threads": torch.get_num_threads()}
            yield Line("views", {"size": size}, device, rates["ours"], reference, found[reference], more)


def sides(images: Tensor, size: int, device: torch.device) -> list[Side]:
    """Ours, kornia's stack with each way to crop, and torchvision's."""
    there = images.to(device)
    theirs = [Side(mode, KorniaViews(there, size, mode)) for mode in CROPPING_MODES]
    return [
        Side("ours", ViewJob(there, size)),
        *theirs,
        Side("torchvision", TorchvisionViews(images, size), cores()),
    ]


def kornia_name(cropping_mode: str) -> str:
    return f"kornia {kornia.__version__} eager, {cropping_mode}"


def torchvision_name() -> str:
    return f"torchvision {torchvision.__version__.split('+')[0]} v2, {cores()} processes"


def source_side(size: int) -> int:
    """Side of the images, in pixels: as CIFAR's up to 64, beyond that 32 more than the view (160, 256)."""
    return size if size <= 64 else size + 32


def batch_size(size: int, device: torch.device) -> int:
    """Images in a batch, the same for all who work on batches."""
    if device.type == "cuda":
        return 1024 if size <= 64 else 256
    return 256 if size <= 64 else 64


def cutouts(image: Tensor, side: int, number: int) -> Tensor:
    """Squares of the image at its own resolution: (3, H, W) -> (number, 3, side, side) uint8."""
    side_y, side_x = min(side, image.shape[1]), min(side, image.shape[2])
    u = rng.uniform(0, "bench/cutouts", torch.arange(number), 2)
    y = (u[:, 0] * (image.shape[1] - side_y + 1)).long().tolist()
    x = (u[:, 1] * (image.shape[2] - side_x + 1)).long().tolist()
    return torch.stack([image[:, a : a + side_y, b : b + side_x] for a, b in zip(y, x, strict=True)])


@dataclass(frozen=True, eq=False)
class ViewJob(Job):
    """Two views of the batch, new draws each time; the pyramid of the images is part of the work."""

    images: Tensor  # (B, 3, H, W) uint8
    size: int

    def start(self) -> Callable[[], int]:
        graph, epochs = Standard(size=self.size).graph(), count()
        index = torch.arange(len(self.images))

        def step() -> int:
            pyramid, epoch = Pyramid(self.images), next(epochs)
            for view in (0, 1):
                graph(pyramid, graph.sample(0, "view", index, epoch, view))
            return len(index)

        return step
