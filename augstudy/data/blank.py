"""Pictures in which nothing has an up, cut like those of a source: what a shortcut looks like alone."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from augstudy.augment.base import Size
from augstudy.core import rng
from augstudy.data.corpus import Corpus, Source, Whole

__all__ = ["Noise", "blank"]


@dataclass(frozen=True)
class Noise:
    """A split of white noise, each picture keyed by its number; a quarter turn of it is as likely as itself.

    Args:
        labels: (N,) int64, of no meaning.
        size: height and width in pixels.
    """

    labels: Tensor
    size: Size

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, index: Tensor) -> Tensor:
        h, w = self.size
        return rng.uniform(0, "blank", index.cpu(), 3 * h * w).mul_(256).byte().view(-1, 3, h, w)


def blank(source: Source) -> Source:
    """The same source with noise in place of its images: same sizes, recipe, numbers and chance, so the same borders.

    A corpus of several images becomes one of a single image of the first one's size.
    """
    size = source.readings(torch.zeros(1, dtype=torch.long))[0].source.size
    if isinstance(source, Corpus):
        first = torch.zeros(1, dtype=torch.long)
        return replace(source, images=Noise(first, size).images(first)[0])
    assert isinstance(source, Whole)
    return replace(source, split=Noise(source.split.labels, size))
