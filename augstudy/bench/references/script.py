"""The recipe of the released single-image script, with torchvision's public classes on Pillow images."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as pixels

from augstudy.bench.base import Job

__all__ = ["Script", "geometry"]

BICUBIC, BILINEAR = InterpolationMode.BICUBIC, InterpolationMode.BILINEAR


@dataclass(frozen=True)
class Script(Job):
    """Crops one after the other, each a (3, size, size) float tensor.

    The script draws boxes until one fits. torchvision's public class draws up to ten; of a square, which is what the
    first crop leaves, these fail for fewer than one crop in ten million, so the two are one.

    Source: `make_dataset_single.py` of Asano, Rupprecht, Vedaldi, ICLR 2020, at its defaults.
    """

    path: Path
    size: int

    def start(self) -> Callable[[], int]:
        with Image.open(self.path) as file:
            image = file.convert("RGB")
        steps = self.steps(image)

        def step() -> int:
            steps(image)
            return 1

        return step

    def steps(self, image: Image.Image) -> transforms.Compose:
        """The script's transforms, in its order."""
        side = int(math.sqrt(2) * self.size)
        jitter = transforms.ColorJitter(0.4, 0.4, 0.4, hue=0.1)
        return transforms.Compose(
            [
                transforms.RandomCrop(int(0.5 * min(image.size))),
                transforms.RandomResizedCrop(side, scale=(0.002, 1.0), interpolation=BICUBIC),
                transforms.RandomAffine(30, shear=30, interpolation=BILINEAR, fill=0),
                transforms.CenterCrop(self.size),
                transforms.RandomApply([jitter], p=0.5),
                transforms.ToTensor(),
            ]
        )


def geometry(
    image: Image.Image, box: tuple[int, int, int, int], side: int, rotation: float, shear: float, size: int
) -> Image.Image:
    """The script's two resamplings of one crop, no colour: bicubic to `side`, then bilinear for turn and slant.

    Args:
        box: (x0, y0, width, height) in the image, pixels.
        rotation, shear: degrees, signs as in `augment.geometry`.
    """
    x0, y0, w, h = box
    square = image.crop((x0, y0, x0 + w, y0 + h)).resize((side, side), Image.Resampling.BICUBIC)
    # CenterCrop cuts at whole pixels; where the margin is odd, half a pixel of shift puts the centre where ours is.
    shift = round((side - size) / 2.0) - (side - size) / 2
    # torchvision turns clockwise, and translates after it has turned.
    turned = pixels.affine(square, -rotation, [shift, shift], 1.0, [shear, 0.0], interpolation=BILINEAR, fill=0)
    return pixels.center_crop(turned, [size, size])
