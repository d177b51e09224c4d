"""A five-layer AlexNet for 32 and 64 px images."""

from dataclasses import dataclass

from augstudy.learn.backbones.base import Backbone, Encoder, conv_block

__all__ = ["Conv5"]


@dataclass(frozen=True)
class Conv5(Backbone):
    """conv1 ... conv5 with AlexNet's 64, 192, 384, 256, 256 channels; 32 px gives maps of 16, 8, 4, 4 and 4 px,
    64 px of 32, 16, 8, 8 and 8.

    Source: Krizhevsky, "One weird trick", 2014 (channel counts); strides fitted to 32 px.
    """

    def encoder(self) -> Encoder:
        a, b, c, d = (self.channels(n) for n in (64, 192, 384, 256))
        return Encoder(
            {
                "conv1": conv_block(3, a, 5, 2),
                "conv2": conv_block(a, b, 5, 2),
                "conv3": conv_block(b, c, 3, 2),
                "conv4": conv_block(c, d, 3),
                "conv5": conv_block(d, d, 3),
            },
            channels=d,
            grid=2,
        )
