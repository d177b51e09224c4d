"""Training as lightly's examples do it: its transform on Pillow images, in a DataLoader's workers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from lightly.data import LightlyDataset
from lightly.transforms import MoCoV2Transform
from lightly.transforms.utils import IMAGENET_NORMALIZE
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T

from augstudy.augment.cpu.threads import cores
from augstudy.augment.views.standard import Standard
from augstudy.bench.base import Job
from augstudy.learn.loop import Compute, Loop
from augstudy.learn.methods.base import Batch

__all__ = ["LightlyEpoch", "Pictures", "transform_of"]


class Pictures(Dataset[Any]):
    """Images in memory as torchvision's CIFAR10 keeps them: arrays, a Pillow image made of one when it is asked for.

    Args:
        pixels: (N, 3, h, w) uint8.
    """

    def __init__(self, pixels: Tensor) -> None:
        self.data = pixels.permute(0, 2, 3, 1).contiguous().numpy()
        self.transform: Any = None

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> tuple[Any, int]:
        return self.transform(Image.fromarray(self.data[i])), 0


def transform_of(view: Standard, views: int) -> Any:
    """What makes a view of a Pillow image with the settings of ours; two come as a list, as lightly has them.

    Two views are lightly's MoCo v2, which has no upper bound of the area: its boxes reach the whole image. It has no
    RotNet: one view is torchvision's crop and flip, and the usual scaling.
    """
    if views == 2:
        return MoCoV2Transform(
            input_size=view.size,
            cj_prob=view.jitter_p,
            cj_strength=view.strength,
            cj_bright=view.brightness,
            cj_contrast=view.contrast,
            cj_sat=view.saturation,
            cj_hue=view.hue,
            min_scale=view.scale[0],
            random_gray_scale=view.gray_p,
            gaussian_blur=view.blur_p,
            sigmas=view.blur_sigma,
            hf_prob=view.flip_p,
        )
    steps = [T.RandomResizedCrop(view.size, view.scale), T.RandomHorizontalFlip(view.flip_p), T.ToTensor()]
    return T.Compose([*steps, T.Normalize(IMAGENET_NORMALIZE["mean"], IMAGENET_NORMALIZE["std"])])


@dataclass(frozen=True, eq=False)
class LightlyEpoch(Job):
    """An epoch over the same crops, held in memory: our network and loss in the loop of lightly's examples.

    The crops themselves cost the reference nothing. Networks are as the examples have them, eager and not channels
    last. Workers are as many as cores, and stay from epoch to epoch.
    """

    loop: Loop
    view: Any

    def start(self) -> Callable[[], int]:
        loop = replace(self.loop, compute=Compute(channels_last=False, compile=False))
        modules, optimizers = loop.make()
        loader, device = self.loader(), loop.fabric.device

        def step() -> int:
            for number, (views, _, _) in enumerate(loader):
                views = [view.to(device, non_blocking=True) for view in (views if isinstance(views, list) else [views])]
                loss = modules.loss(Batch(views, torch.arange(len(views[0]), device=device), step=number))
                assert isinstance(loss, Tensor)
                loss.backward()
                for optimizer in optimizers.values():
                    optimizer.step()
                    optimizer.zero_grad()
                modules.after_step()
            return len(loader) * loop.method.batch_size

        return step

    def loader(self) -> DataLoader[Any]:
        """lightly's examples' DataLoader; its workers are spawned, for a fork of a process with threads may hang."""
        crops = self.loop.source.batch(torch.arange(len(self.loop.source)))
        pixels = crops.mul(255).round().to("cpu", torch.uint8)
        transform = transform_of(self.view, self.loop.method.views)
        return DataLoader(
            LightlyDataset.from_torch_dataset(Pictures(pixels), transform=transform),
            batch_size=self.loop.method.batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=cores(),
            persistent_workers=True,
            multiprocessing_context="spawn",
            pin_memory=self.loop.fabric.device.type == "cuda",
        )
