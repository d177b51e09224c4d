"""ResNet from torchvision's blocks, for large images and for small ones."""

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck

from augstudy.core.build import check_choice
from augstudy.learn.backbones.base import Backbone, Encoder

__all__ = ["ResNet"]

DEPTHS = {18: (BasicBlock, (2, 2, 2, 2)), 50: (Bottleneck, (3, 4, 6, 3))}


class ResNetEncoder(Encoder):
    """Every part bears torchvision's name inside its layer, so that exported names are torchvision's.

    Args:
        blocks, channels: see Encoder.
        twin: the model of torchvision.models that has the same trunk, if one has.
    """

    def __init__(self, blocks: dict[str, nn.Module], channels: int, twin: str | None) -> None:
        super().__init__(blocks, channels)
        self.twin = twin

    def exported_name(self, key: str) -> str:
        return key.split(".", 2)[2]  # blocks.layer1.layer1.0.conv1.weight -> layer1.0.conv1.weight

    def torchvision(self) -> str | None:
        return self.twin


@dataclass(frozen=True)
class ResNet(Backbone):
    """conv1 (with its batch norm and ReLU), then layer1 ... layer4; the max pooling belongs to layer1.

    A 224 px image gives maps of 112, 56, 28, 14 and 7 px behind the ImageNet stem, a 32 px one maps of 32, 32, 16, 8
    and 4 px behind the CIFAR stem. Channels at width 1: 64, 64, 128, 256, 512 for 18 layers, 64, 256, 512, 1024, 2048
    for 50.

    Args:
        depth: 18 or 50.
        stem: "imagenet" (7x7 of stride 2, max pooling) or "cifar" (3x3 of stride 1, no pooling).

    Source: He et al., CVPR 2016, in torchvision's form (stride in the 3x3 of a bottleneck) and with its initial
    weights; the CIFAR stem is that of MoCo's CIFAR-10 notebook and of SimCLR (Chen et al., ICML 2020, appendix B.9).
    """

    depth: int = 18
    stem: str = "imagenet"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("depth", str(self.depth), tuple(str(depth) for depth in DEPTHS))
        check_choice("stem", self.stem, ("imagenet", "cifar"))

    def encoder(self) -> Encoder:
        kind, counts = DEPTHS[self.depth]
        outputs = self.channels(64)
        blocks: dict[str, nn.Module] = {"conv1": self._stem(outputs)}
        for i, count in enumerate(counts):
            name, inputs, planes = f"layer{i + 1}", outputs, self.channels(64 << i)
            outputs = planes * kind.expansion
            stage = residual(kind, inputs, planes, count, stride=1 if i == 0 else 2)
            parts: list[tuple[str, nn.Module]] = [(name, stage)]
            if i == 0 and self.stem == "imagenet":
                parts.insert(0, ("maxpool", nn.MaxPool2d(3, 2, 1)))
            blocks[name] = nn.Sequential(OrderedDict(parts))
        plain = self.stem == "imagenet" and outputs == 512 * kind.expansion
        encoder = ResNetEncoder(blocks, outputs, f"resnet{self.depth}" if plain else None)
        for module in encoder.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        return encoder

    def _stem(self, outputs: int) -> nn.Sequential:
        large = self.stem == "imagenet"
        conv = nn.Conv2d(3, outputs, 7, 2, 3, bias=False) if large else nn.Conv2d(3, outputs, 3, 1, 1, bias=False)
        parts = {"conv1": conv, "bn1": nn.BatchNorm2d(outputs), "relu": nn.ReLU(inplace=True)}
        return nn.Sequential(OrderedDict(parts))


def residual(
    kind: type[BasicBlock] | type[Bottleneck], inputs: int, planes: int, count: int, stride: int
) -> nn.Sequential:
    """`count` blocks; the first has the stride, and a 1x1 convolution beside it where shapes differ."""
    outputs, shortcut = planes * kind.expansion, None
    if stride != 1 or inputs != outputs:
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    return nn.Sequential(kind(inputs, planes, stride, shortcut), *(kind(outputs, planes) for _ in range(count - 1)))
