"""AlexNet with batch norm and without groups, as probed in the single-image paper."""

from dataclasses import dataclass

from torch import nn

from augstudy.learn.backbones.base import Backbone, Encoder, conv_block

__all__ = ["AlexNet"]


@dataclass(frozen=True)
class AlexNet(Backbone):
    """conv1 ... conv5 with 96, 256, 384, 384, 256 channels for 224 px images: maps of 55, 27, 13, 13 and 13 px.

    Max pooling stands in front of conv2 and conv3, so that each named layer is the output of a ReLU.

    Source: Asano et al., ICLR 2020, the released linear probes.
    """

    def encoder(self) -> Encoder:
        a, b, c, d, e = (self.channels(n) for n in (96, 256, 384, 384, 256))
        return Encoder(
            {
                "conv1": conv_block(3, a, 11, 4, padding=2),
                "conv2": nn.Sequential(nn.MaxPool2d(3, 2), conv_block(a, b, 5)),
                "conv3": nn.Sequential(nn.MaxPool2d(3, 2), conv_block(b, c, 3)),
                "conv4": conv_block(c, d, 3),
                "conv5": conv_block(d, e, 3),
            },
            grid=6,
        )
