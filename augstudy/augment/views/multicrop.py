"""More views than a pair, at little cost: beside the large ones, small ones of small parts of the crop."""

import re
from dataclasses import dataclass, replace
from typing import ClassVar

from augstudy.augment.graph import Graph
from augstudy.augment.views.standard import Standard
from augstudy.core.build import check_interval, check_range
from augstudy.core.errors import UserError

__all__ = ["MultiCrop"]

GROUP = re.compile(r"(\d+) *x *(\d+(?:\.\d+)?) *(%?)")


@dataclass(frozen=True)
class MultiCrop(Standard):
    """The standard view at two sizes, any number of each; large ones come first.

    Methods that say so train on all of them; what a method calls its views are the first large ones.

    Args:
        crops: control variable, such as "2x160 + 4x96": how many large views of which side in pixels, then how many
            small ones. "2x71.4% + 4x42.9%" is the same with sides in per cent of `size`, so that it fits every scale.
            "2x100%" is the standard pair.
        scale: bounds of a large view's area as a share of the crop's.
        small_scale: bounds of a small view's area.

    Once made, `size` is the side of a large view and `crops` is in pixels.

    Source: Caron et al. (SwAV), NeurIPS 2020, section 3.3; the bounds are those of its released scripts.
    """

    control: ClassVar[str] = "crops"
    scale: tuple[float, float] = (0.14, 1.0)
    crops: str = "2x100% + 6x42.9%"
    small_scale: tuple[float, float] = (0.05, 0.14)

    def __post_init__(self) -> None:
        check_range("size", self.size, 4, 4096)
        groups = self._groups()
        for _, side in groups:
            check_range("crops: side", side, 4, 4096)
        object.__setattr__(self, "crops", " + ".join(f"{count}x{side}" for count, side in groups))
        object.__setattr__(self, "size", groups[0][1])
        check_interval("small_scale", self.small_scale, 1e-6, 1)
        super().__post_init__()

    def graphs(self, count: int) -> tuple[Graph, ...]:
        (large, _), *rest = self._groups()
        if large < count:
            what = f"crops {self.crops!r} has too few large views for a method of {count}"
            raise UserError(what, f"Begin crops with {count}x{self.size}.")
        small = [
            graph
            for number, side in rest
            for graph in [replace(self, crops=f"1x{side}", scale=self.small_scale).graph()] * number
        ]
        return (*[self.graph()] * large, *small)

    def _groups(self) -> list[tuple[int, int]]:
        """How many views of which side in pixels: the large ones, then the small ones if there are any."""
        found = [GROUP.fullmatch(part.strip()) for part in self.crops.split("+")]
        if len(found) > 2 or not all(match and int(match[1]) for match in found):
            what = f"crops is {self.crops!r}, not one or two of NUMBERxSIDE"
            raise UserError(what, "Write crops: '2x160 + 4x96', or sides in per cent of size: '2x71.4% + 4x42.9%'.")
        share = {"%": self.size / 100, "": 1.0}
        return [(int(m[1]), round(float(m[2]) * share[m[3]])) for m in found if m]
