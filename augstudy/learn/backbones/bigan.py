"""The two encoders of BiGAN's released code: an AlexNet in two groups, and a four-stage net for small images."""

from dataclasses import dataclass

from torch import nn

from augstudy.core.build import check_choice
from augstudy.learn.backbones.base import Backbone, Encoder, conv_block

__all__ = ["BiGANEncoder"]

SLOPE = 0.2  # of the leaky ReLU


@dataclass(frozen=True)
class BiGANEncoder(Backbone):
    """Named layers end in a leaky ReLU of slope 0.2; conv1 has no batch norm.

    Args:
        variant: "alexnet", conv1 ... conv5 with 96, 256, 384, 384, 256 channels, of which conv2, conv4 and conv5 are
            in two groups; 112 px images give maps of 28, 14, 7, 7 and 7 px, 64 px ones of 16, 8, 4, 4 and 4. Or
            "smallnet", conv1 ... conv4 with 64, 128, 192, 256 channels, each a strided 5x5 convolution and a 1x1 one;
            64 px images give maps of 32, 16, 8 and 4 px, 32 px ones of 16, 8, 4 and 2.

    `embed` flattens the last map at the published size: 7 x 7 of 112 px, 4 x 4 of 64 px. Smaller images fit too, but
    their maps are then repeated.

    Source: Donahue, Krähenbühl, Darrell, ICLR 2017, released code, net.py: `alexnet_group_padpool` (its poolings are
    padded, and conv1 by 5) and `smallnet`. There weights start from N(0, 0.02), here from He's.
    """

    variant: str = "alexnet"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("variant", self.variant, ("alexnet", "smallnet"))

    def encoder(self) -> Encoder:
        return self._alexnet() if self.variant == "alexnet" else self._smallnet()

    def _alexnet(self) -> Encoder:
        a, b, c, d, e = (2 * self.channels(n // 2) for n in (96, 256, 384, 384, 256))  # even, for two groups
        return Encoder(
            {
                "conv1": conv_block(3, a, 11, 4, norm=False, slope=SLOPE),
                "conv2": nn.Sequential(nn.MaxPool2d(3, 2, 1), conv_block(a, b, 5, groups=2, slope=SLOPE)),
                "conv3": nn.Sequential(nn.MaxPool2d(3, 2, 1), conv_block(b, c, 3, slope=SLOPE)),
                "conv4": conv_block(c, d, 3, groups=2, slope=SLOPE),
                "conv5": conv_block(d, e, 3, groups=2, slope=SLOPE),
            },
            channels=e,
            grid=7,
        )

    def _smallnet(self) -> Encoder:
        blocks: dict[str, nn.Module] = {}
        inputs = 3
        for i, count in enumerate((64, 128, 192, 256)):
            outputs = self.channels(count)
            blocks[f"conv{i + 1}"] = nn.Sequential(
                conv_block(inputs, outputs, 5, 2, norm=i > 0, slope=SLOPE),
                conv_block(outputs, outputs, 1, slope=SLOPE),
            )
            inputs = outputs
        return Encoder(blocks, channels=inputs, grid=4)
