"""Two encoders, one for each side of a split picture, that are probed as one: their features lie side by side."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from augstudy.augment.graph import Graph
from augstudy.augment.sampler import Pyramid
from augstudy.augment.views.base import View
from augstudy.core.errors import UserError
from augstudy.learn.backbones.base import Backbone, Encoder, signed

__all__ = ["Sided", "TwoSided", "network"]


class TwoSided(Encoder):
    """Splits a picture as its view family does and gives each part to an encoder of its own.

    Args:
        sides: one encoder a part.
        lenses: what makes each part of a picture; nothing in it is left to chance.

    Source: Tian, Krishnan, Isola (CMC), ECCV 2020, section 3.3: features of all views are concatenated.
    """

    def __init__(self, sides: tuple[Encoder, Encoder], lenses: tuple[Graph, Graph]) -> None:
        super().__init__({}, sum(side.channels for side in sides), sides[0].grid)
        self.sides, self.lenses = nn.ModuleList(sides), lenses

    @property
    def names(self) -> list[str]:
        return list(self.pair[0].names)

    @property
    def pair(self) -> tuple[Encoder, Encoder]:
        """Both encoders."""
        first, second = self.sides
        assert isinstance(first, Encoder)
        assert isinstance(second, Encoder)
        return first, second

    def parts(self, x: Tensor) -> list[Tensor]:
        """Pixels (B, 3, h, w) in [-1, 1] -> what each encoder sees, (B, C, h, w) in [-1, 1]."""
        pictures, index = Pyramid((x + 1) / 2), torch.arange(len(x))
        return [signed(lens(pictures, lens.sample(0, "lens", index))) for lens in self.lenses]

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        first, second = (side.layers(part) for side, part in zip(self.pair, self.parts(x), strict=True))
        return {name: torch.cat((y, second[name]), 1) for name, y in first.items()}

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([side(part) for side, part in zip(self.pair, self.parts(x), strict=True)], 1)


@dataclass(frozen=True)
class Sided(Backbone):
    """A backbone twice, its first convolution as wide as each side of the view family has channels.

    Args:
        backbone: what each side is.
        view: the family.
    """

    backbone: Backbone = field(kw_only=True)
    view: View = field(kw_only=True)

    def __post_init__(self) -> None:
        """The width is the backbone's own."""

    def encoder(self) -> TwoSided:
        first, second = (fitted(self.backbone.encoder(), count) for count in self.view.channels)
        return TwoSided((first, second), self.view.lenses())


def fitted(encoder: Encoder, channels: int) -> Encoder:
    """An encoder of RGB made one of so many channels; its weights keep their law, He's for as many inputs.

    Raises:
        UserError: its first convolution sees something else than three channels.
    """
    if channels == 3:
        return encoder
    conv = next(m for m in encoder.modules() if isinstance(m, nn.Conv2d))
    if conv.in_channels != 3:
        what = f"the backbone sees edges, not channels, so a side of {channels} does not fit it"
        raise UserError(what, "Set backbone.sobel: false, or name another backbone.")
    conv.weight = nn.Parameter(conv.weight.detach()[:, :channels] * (3 / channels) ** 0.5)
    conv.in_channels = channels
    return encoder


def network(backbone: Backbone, view: View) -> Backbone:
    """What a run trains: its backbone, or two where the sides of its views are not of one kind."""
    return Sided(backbone=backbone, view=view) if view.two_encoders else backbone
