"""Two encoders, one for each side of a split picture, that are probed as one: their features lie side by side."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from augstudy.augment.graph import Graph
from augstudy.augment.sampler import Pyramid
from augstudy.augment.views.base import View
from augstudy.core import registry
from augstudy.core.build import build
from augstudy.core.errors import UserError
from augstudy.learn.backbones.base import Backbone, Encoder, signed
from augstudy.learn.flow import Generator, Split

__all__ = ["Generated", "Lenses", "Sided", "TwoSided", "around", "network", "rebuilt"]


class Lenses(nn.Module):
    """Pixels (B, 3, h, w) in [-1, 1] -> what each encoder sees, (B, C, h, w) in [-1, 1].

    Args:
        graphs: what makes each part of a picture; nothing in it is left to chance.
        channels: of both parts.
    """

    def __init__(self, graphs: tuple[Graph, Graph], channels: tuple[int, int]) -> None:
        super().__init__()
        self.graphs, self.channels = graphs, channels

    def forward(self, x: Tensor) -> list[Tensor]:
        pictures, index = Pyramid((x + 1) / 2), torch.arange(len(x))
        return [signed(graph(pictures, graph.sample(0, "lens", index))) for graph in self.graphs]


class TwoSided(Encoder):
    """Splits a picture in two and gives each part to an encoder of its own.

    Args:
        sides: one encoder a part.
        lens: makes both parts of a picture, as its view family does or as a method has learnt to.

    Source: Tian, Krishnan, Isola (CMC), ECCV 2020, section 3.3: features of all views are concatenated.
    """

    def __init__(self, sides: tuple[Encoder, Encoder], lens: Lenses | Generator) -> None:
        super().__init__({}, sum(side.channels for side in sides), sides[0].grid)
        self.sides, self.lens = nn.ModuleList(sides), lens

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
        """Pixels (B, 3, h, w) in [-1, 1] -> what each encoder sees, (B, C, h, w)."""
        parts: list[Tensor] = self.lens(x)
        return parts

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
        return TwoSided((first, second), Lenses(self.view.lenses(), self.view.channels))


@dataclass(frozen=True)
class Generated(Backbone):
    """A backbone twice, on the two views that a flow makes of a picture; the flow is trained and saved with it.

    Args:
        backbone: what each side is.
        split: how views are made.
    """

    backbone: Backbone = field(kw_only=True)
    split: Split = field(kw_only=True)

    def __post_init__(self) -> None:
        """The width is the backbone's own."""

    def encoder(self) -> TwoSided:
        first, second = (fitted(self.backbone.encoder(), count) for count in Generator.channels)
        return TwoSided((first, second), Generator(self.split))


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


def around(network: Backbone, view_name: str) -> dict[str, Any]:
    """What the card of an encoder says besides its backbone, for `rebuilt`: how two sides come about, if there are two.

    Args:
        view_name: of the family of the run's views.
    """
    if isinstance(network, Sided):
        return {"view": {"name": view_name, "settings": asdict(network.view)}}
    return {"split": asdict(network.split)} if isinstance(network, Generated) else {}


def rebuilt(card: Mapping[str, Any], where: str) -> Backbone:
    """The network that a card tells of.

    Args:
        where: the card's file, for errors.

    Raises:
        UserError: it names a part or a setting that there is not.
        KeyError: it is no card.
    """
    backbone: Backbone = build(registry.find("learn.backbones", card["backbone"]), card["settings"], where)
    if view := card.get("view"):
        return Sided(
            backbone=backbone, view=build(registry.find("augment.views", view["name"]), view["settings"], where)
        )
    return Generated(backbone=backbone, split=build(Split, card["split"], where)) if "split" in card else backbone
