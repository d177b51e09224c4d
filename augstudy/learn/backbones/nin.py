"""Network in network, as RotNet trains it on CIFAR."""

from dataclasses import dataclass

from torch import nn

from augstudy.core.build import check_range
from augstudy.learn.backbones.base import Backbone, Encoder, conv_block

__all__ = ["NIN"]


@dataclass(frozen=True)
class NIN(Backbone):
    """block1 ... block4, each of three convolutions; a 32 px image gives maps of 16, 8, 8 and 8 px.

    block1 (96 channels) ends in a max pooling and block2 (192) in an average pooling, as the published features do;
    later blocks (192) keep the size of the map. `embed` averages over it.

    Args:
        blocks: how many, 3 to 5. RotNet's paper compares these; the rest of it takes 4, its supervised reference 3.

    Source: Gidaris, Singh, Komodakis, ICLR 2018, section 4.1, and the released NetworkInNetwork.py; without pooling
    after block3, as its CIFAR-10 settings say.
    """

    blocks: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("blocks", self.blocks, 3, 5)

    def encoder(self) -> Encoder:
        a, b, c = (self.channels(n) for n in (192, 160, 96))
        layers: dict[str, nn.Module] = {
            "block1": nn.Sequential(*block(3, 5, a, b, c), nn.MaxPool2d(3, 2, 1)),
            "block2": nn.Sequential(*block(c, 5, a, a, a), nn.AvgPool2d(3, 2, 1)),
        }
        for i in range(2, self.blocks):
            layers[f"block{i + 1}"] = nn.Sequential(*block(a, 3, a, a, a))
        return Encoder(layers, channels=a)


def block(inputs: int, kernel: int, a: int, b: int, c: int) -> list[nn.Module]:
    """A convolution and two 1x1 ones, to a, b and c channels."""
    return [conv_block(inputs, a, kernel), conv_block(a, b, 1), conv_block(b, c, 1)]
