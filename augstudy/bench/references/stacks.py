"""MoCo v2's stack of view augmentations with the public classes of kornia and of torchvision."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle

import torch
from kornia import augmentation
from torch import Tensor, nn
from torchvision.transforms import v2

from augstudy.bench.base import Job

__all__ = ["KorniaViews", "TorchvisionViews", "kornia_stack", "torchvision_stack"]

SCALE, JITTER, SIGMA = (0.2, 1.0), (0.4, 0.4, 0.4, 0.1), (0.1, 2.0)


def kernel_size(size: int) -> int:
    """A tenth of the side, odd and at least 3 pixels, as SimCLR has it."""
    return max(3, size // 10 | 1)


def kornia_stack(size: int, cropping_mode: str) -> nn.Sequential:
    """The classes one after the other; a plain Sequential spares them the bookkeeping of AugmentationSequential."""
    kernel = kernel_size(size)
    return nn.Sequential(
        augmentation.RandomResizedCrop((size, size), scale=SCALE, cropping_mode=cropping_mode),
        augmentation.ColorJitter(*JITTER, p=0.8),
        augmentation.RandomGrayscale(p=0.2),
        augmentation.RandomGaussianBlur((kernel, kernel), SIGMA, p=0.5),
        augmentation.RandomHorizontalFlip(p=0.5),
    )


def torchvision_stack(size: int) -> v2.Compose:
    """For one uint8 image: torchvision's transforms draw once a call, so a batch would share its draws."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=SCALE, antialias=True),
            v2.RandomApply([v2.ColorJitter(*JITTER)], p=0.8),
            v2.RandomGrayscale(0.2),
            v2.RandomApply([v2.GaussianBlur(kernel_size(size), SIGMA)], p=0.5),
            v2.RandomHorizontalFlip(0.5),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )


@dataclass(frozen=True, eq=False)
class KorniaViews(Job):
    """Two views of the whole batch at once, eager, on the batch's device."""

    images: Tensor  # (B, 3, H, W) uint8
    size: int
    cropping_mode: str

    def start(self) -> Callable[[], int]:
        stack = kornia_stack(self.size, self.cropping_mode)

        def step() -> int:
            x = self.images.float() / 255
            stack(x), stack(x)
            return len(x)

        return step


@dataclass(frozen=True, eq=False)
class TorchvisionViews(Job):
    """Two views of one image after the other."""

    images: Tensor  # (B, 3, H, W) uint8, on the CPU
    size: int

    def start(self) -> Callable[[], int]:
        stack, images = torchvision_stack(self.size), cycle(self.images.unbind(0))

        def step() -> int:
            image = next(images)
            stack(image), stack(image)
            return 1

        return step
