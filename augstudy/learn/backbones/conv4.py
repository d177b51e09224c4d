"""Four stride-2 convolutions for 32 and 64 px images, after the encoder of BiGAN."""

from dataclasses import dataclass

from augstudy.learn.backbones.base import Backbone, Encoder, conv_block

__all__ = ["Conv4"]


@dataclass(frozen=True)
class Conv4(Backbone):
    """conv1 ... conv4 with 64, 96, 128, 128 channels; a 32 px image gives maps of 16, 8, 4 and 2 px, a 64 px one of
    32, 16, 8 and 4.

    Strides in place of pooling make random features fall with depth, as those of AlexNet do, so that what training
    adds can be seen at every layer; they also make it four times as fast.
    """

    def encoder(self) -> Encoder:
        a, b, c, d = (self.channels(n) for n in (64, 96, 128, 128))
        return Encoder(
            {
                "conv1": conv_block(3, a, 5, 2),
                "conv2": conv_block(a, b, 3, 2),
                "conv3": conv_block(b, c, 3, 2),
                "conv4": conv_block(c, d, 3, 2),
            },
            channels=d,
        )
