"""AlexNet with batch norm and without groups, as probed in the single-image paper."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from augstudy.core.build import check_choice
from augstudy.learn.backbones.base import Backbone, Encoder, conv_block

__all__ = ["AlexNet"]

CHANNELS = {"big": (96, 256, 384, 384, 256), "small": (64, 192, 384, 256, 256)}


class Sobel(nn.Module):
    """A fixed filter that leaves edges and takes colour away: the grey image's slope across and down, zero beyond it.

    Source: Caron et al., ECCV 2018, and the released code: the mean of the channels, then two 3 x 3 Sobel filters.
    """

    kernels: Tensor

    def __init__(self) -> None:
        super().__init__()
        across = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
        self.register_buffer("kernels", torch.stack((across, across.T))[:, None])

    def forward(self, x: Tensor) -> Tensor:  # (B, 3, h, w) -> (B, 2, h, w)
        return conv2d(x.mean(1, keepdim=True), self.kernels.to(x.dtype), padding=1)


@dataclass(frozen=True)
class AlexNet(Backbone):
    """conv1 ... conv5; 224 px images give maps of 55, 27, 13, 13 and 13 px, 112 px ones of 27, 13, 6, 6 and 6.

    Max pooling stands in front of conv2 and conv3, so that each named layer is the output of a ReLU.

    Args:
        variant: "big" with 96, 256, 384, 384, 256 channels, or "small" with 64, 192, 384, 256, 256.
        sobel: conv1 sees edges in place of colours, as DeepCluster was published.

    Source: Asano et al., ICLR 2020, the released linear probes, which have both under these names and pad conv1 by 2;
    "small" has the layers of "One weird trick" (Krizhevsky, 2014), of RotNet's AlexNet and of torchvision's.
    """

    variant: str = "big"
    sobel: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("variant", self.variant, tuple(CHANNELS))

    def encoder(self) -> Encoder:
        a, b, c, d, e = (self.channels(n) for n in CHANNELS[self.variant])
        first = conv_block(2 if self.sobel else 3, a, 11, 4, padding=2)
        return Encoder(
            {
                "conv1": nn.Sequential(Sobel(), first) if self.sobel else first,
                "conv2": nn.Sequential(nn.MaxPool2d(3, 2), conv_block(a, b, 5)),
                "conv3": nn.Sequential(nn.MaxPool2d(3, 2), conv_block(b, c, 3)),
                "conv4": conv_block(c, d, 3),
                "conv5": conv_block(d, e, 3),
            },
            channels=e,
            grid=6,
        )
