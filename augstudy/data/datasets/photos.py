"""Photographs: which picture was this crop taken from? A labelled set that needs no download.

The pictures come with scikit-image and scikit-learn. Training and test crops come from two parts of each picture that
share no pixel, and every crop gets a hue, a colour cast, a brightness and a contrast of its own, so that the answer
lies in texture and shape more than in colour.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import pad
from torchvision.transforms.v2 import functional as tv

from augstudy.augment.sampler import Pyramid
from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.core.errors import UserError, nearest
from augstudy.data.catalogue import catalogue
from augstudy.data.datasets.base import Labelled, Stored, fingerprint
from augstudy.data.images import find_image, load_image

__all__ = ["Photos"]

# Left out: astronaut and camera, whose two parts have so little in common that a supervised network cannot tell either.
CLASSES = (
    *("brick", "chelsea", "china", "coffee", "coins", "flower"),
    *("grass", "gravel", "hubble", "ihc", "retina", "rocket"),
)
SHORT_SIDE = 400  # px; larger pictures are scaled down, or their sharpness would give them away
TRAIN, GAP = 0.68, 0.04  # of the long side; the rest is for testing
SIDES = (32.0, 96.0)  # px, of a crop in the picture
TILT = 15.0  # degrees either way
CANDIDATES = 6  # places tried for a crop that is not flat
FLAT = 0.08  # standard deviation of luminance below which a place counts as flat: sky, background
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True)
class Photos:
    """Crops of bundled photographs; the label says which photograph.

    Args:
        size: px, side of a crop after scaling.
        train_per_class, test_per_class: crops of each photograph.
        exclude: photographs left out, such as the image used for pretraining.
        seed: of positions, scales, tilts and colours; streams `photos/<picture>/<split>/place` and `/colour`.
    """

    size: int = 32
    train_per_class: int = 400
    test_per_class: int = 100
    exclude: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("size", "train_per_class", "test_per_class"):
            check_range(name, getattr(self, name), 1)
        check_range("seed", self.seed, 0)
        known = [image.name for image in catalogue()]
        for name in self.exclude:
            if name not in known and "." not in name and "/" not in name:  # the name of a file is never a class
                raise UserError(f"exclude names {name!r}, which is no image", nearest(name, known))

    def load(self) -> Labelled:
        """Cut all crops, the same ones at every call.

        Raises:
            UserError: fewer than two photographs are left, or a package no longer carries one.
        """
        classes = tuple(name for name in CLASSES if name not in self.exclude)
        if len(classes) < 2:
            raise UserError(f"exclude leaves {len(classes)} photographs", "Leave at least two of them in.")
        return cut(self, classes)

    def crops(self, part: Tensor, stream: str, n: int) -> Tensor:
        """(3, H, W) uint8 -> (n, 3, size, size) uint8."""
        index = torch.arange(n)
        where = rng.uniform(self.seed, f"photos/{stream}/place", index, 3 * CANDIDATES + 2)
        colour = rng.uniform(self.seed, f"photos/{stream}/colour", index, 6)
        pixels = Pyramid(part[None]).warp(placement(part, where, self.size), (self.size, self.size))
        return recolour(pixels, colour).mul(255).round().to(torch.uint8)


@lru_cache(maxsize=2)  # takes seconds, and `check` reads many studies of one set
def cut(settings: Photos, classes: tuple[str, ...]) -> Labelled:
    """The set of these photographs."""
    train, test = [], []
    for name in classes:
        left, right = regions(picture(name))
        train.append(settings.crops(left, f"{name}/train", settings.train_per_class))
        test.append(settings.crops(right, f"{name}/test", settings.test_per_class))
    digests = [find_image(name).sha256 for name in classes]
    sizes = [settings.size, settings.train_per_class, settings.test_per_class, settings.seed]
    note = f"Crops of {len(classes)} photographs, tested on parts of them not used for training, colours randomised"
    return Labelled("photos", _split(train), _split(test), classes, note, fingerprint("photos 1", digests, sizes))


def _split(crops: list[Tensor]) -> Stored:
    labels = torch.cat([torch.full((len(c),), k, dtype=torch.int64) for k, c in enumerate(crops)])
    return Stored(torch.cat(crops), labels)


def picture(name: str) -> Tensor:
    """A bundled photograph, its short side at most 400 px: (3, H, W) uint8.

    Its numbers are taken as they are: `rocket` has an Adobe RGB profile, which the first results did not follow.
    """
    image = load_image(find_image(name).path, profile=False)
    if min(image.shape[-2:]) > SHORT_SIDE:
        image = tv.resize(image, [SHORT_SIDE], interpolation=tv.InterpolationMode.BICUBIC, antialias=True)
    return image


def regions(image: Tensor) -> tuple[Tensor, Tensor]:
    """The parts for training and for testing, with a gap between them along the long side; they share no pixel."""
    axis = 1 if image.shape[1] > image.shape[2] else 2
    length = image.shape[axis]
    end, start = round(TRAIN * length), round((TRAIN + GAP) * length)
    return image.narrow(axis, 0, end), image.narrow(axis, start, length - start)


def placement(part: Tensor, u: Tensor, size: int) -> Tensor:
    """The place of each crop: the first of its candidates that is not flat, else the least flat.

    Args:
        part: (3, H, W) uint8.
        u: (B, 3 C + 2) uniforms: a side and a centre for each candidate, then a tilt and a flip.

    Returns:
        (B, 3, 3), from pixels of a crop to pixels of the part.
    """
    h, w = part.shape[-2:]
    angle = torch.deg2rad((2 * u[:, -2:-1] - 1) * TILT)  # (B, 1)
    scale, v, s = u[:, :-2].unflatten(1, (3, -1)).unbind(1)  # (B, C) each
    reach = angle.cos() + angle.sin().abs()  # of the tilted square's bounding box, in sides
    largest = (min(h, w) - 1) / reach
    side = (SIDES[0] * (SIDES[1] / SIDES[0]) ** scale).minimum(largest)
    margin = side * reach / 2
    y, x = margin + v * (h - 2 * margin), margin + s * (w - 2 * margin)
    spread = _spread(part, y, x, side)
    best = torch.where((spread > FLAT).any(1), (spread > FLAT).int().argmax(1), spread.argmax(1))[:, None]
    side, y, x = (t.gather(1, best)[:, 0] for t in (side, y, x))
    return _similarity(y, x, side / size, angle[:, 0], torch.where(u[:, -1] < 0.5, -1.0, 1.0), size)


def _similarity(y: Tensor, x: Tensor, scale: Tensor, angle: Tensor, flip: Tensor, size: int) -> Tensor:
    """Crop pixel p -> (x, y) + scale R(angle) diag(flip, 1) (p - size / 2)."""
    c, s = scale * angle.cos(), scale * angle.sin()
    linear = torch.stack([torch.stack([c * flip, -s], 1), torch.stack([s * flip, c], 1)], 1)  # (B, 2, 2)
    shift = torch.stack([x, y], 1) - linear.sum(2) * size / 2
    last = torch.tensor([0.0, 0.0, 1.0]).expand(len(y), 1, 3)
    return torch.cat([torch.cat([linear, shift[:, :, None]], 2), last], 1)


def _spread(part: Tensor, y: Tensor, x: Tensor, side: Tensor) -> Tensor:
    """Standard deviation of luminance in upright squares, from summed-area tables: (B, C) each -> (B, C)."""
    luma = torch.einsum("c,chw->hw", torch.tensor(LUMA, dtype=torch.float64), part.double() / 255)
    tables = [pad(t.cumsum(0).cumsum(1), (1, 0, 1, 0)) for t in (luma, luma.square())]
    top, left = (y - side / 2).long().clamp(min=0), (x - side / 2).long().clamp(min=0)
    bottom = (y + side / 2).long().clamp(max=part.shape[1])
    right = (x + side / 2).long().clamp(max=part.shape[2])
    area = (bottom - top) * (right - left)
    mean, square = ((t[bottom, right] - t[top, right] - t[bottom, left] + t[top, left]) / area for t in tables)
    return (square - mean.square()).clamp(min=0).sqrt().float()


def recolour(x: Tensor, u: Tensor) -> Tensor:
    """Give every crop a hue, saturation, cast, brightness and contrast of its own.

    The crop's mean luminance is drawn half way to grey and shifted by up to 0.15; its contrast changes by up to a
    factor 1.74 either way, its hue by up to 63 degrees; the cast reaches grey pictures too, or colour would mark them.

    Args:
        x: (B, 3, h, w) in [0, 1].
        u: (B, 6) uniforms: hue, saturation, angle and strength of the cast, brightness, contrast.

    Returns:
        (B, 3, h, w) in [0, 1].
    """
    hue, saturation, direction, strength, brightness, contrast = u[:, :, None, None, None].unbind(1)  # (B, 1, 1, 1)
    luma = torch.einsum("c,bchw->bhw", torch.tensor(LUMA), x)[:, None]  # (B, 1, h, w)
    mean = luma.mean((2, 3), keepdim=True)
    chroma = turn(x - luma, (2 * hue - 1) * math.radians(63)) * (0.3 + 0.7 * saturation)
    orange = torch.tensor([0.1, 0.0, -0.1])[:, None, None].expand(len(x), 3, 1, 1)
    cast = turn(orange, direction * 2 * math.pi) * strength
    level = 0.5 + (mean - 0.5) * 0.5 + (brightness - 0.5) * 0.3
    return (level + (luma - mean + chroma) * 2 ** ((contrast - 0.5) * 1.6) + cast).clamp(0, 1)


def turn(colour: Tensor, angle: Tensor) -> Tensor:
    """Rotate (B, 3, h, w) by radians about the grey axis: Rodrigues' formula with the axis (1, 1, 1) / sqrt 3."""
    along = colour.mean(1, keepdim=True)
    across = (colour.roll(1, 1) - colour.roll(-1, 1)) / math.sqrt(3)  # the axis' cross product with the colour
    return colour * angle.cos() + across * angle.sin() + along * (1 - angle.cos())
