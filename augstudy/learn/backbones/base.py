"""What a backbone is: layers with names, in depth order."""

import hashlib
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from augstudy.core.build import check_range, check_types

__all__ = ["Backbone", "Encoder", "Tokens", "conv_block", "fingerprint", "shown", "signed"]


def signed(pixels: Tensor) -> Tensor:
    """Pixels as every encoder wants them: uint8, or float in [0, 1] -> float in [-1, 1]."""
    return pixels.float() / 127.5 - 1 if pixels.dtype == torch.uint8 else pixels * 2 - 1


def fingerprint(module: nn.Module) -> str:
    """SHA-256 of all weights and buffers: equal only if not a bit has changed."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class Tokens(NamedTuple):
    """What a transformer's blocks hand on: [CLS], then the patches, row by row.

    Args:
        sequence: (B, 1 + h w, C).
        grid: (h, w), patches down and across.
    """

    sequence: Tensor
    grid: tuple[int, int]

    def map(self) -> Tensor:
        """(B, C, h, w) of the patches."""
        return self.sequence[:, 1:].transpose(1, 2).unflatten(2, self.grid)


def shown(x: Tensor | Tokens) -> Tensor:
    """What a block gives, as the (B, C, h, w) that is its layer."""
    return x if isinstance(x, Tensor) else x.map()


class Encoder(nn.Module):
    """Named layers applied one after the other.

    Args:
        blocks: name -> module, in depth order; each takes what the one before gives, a map (B, C, h, w) or tokens.
        channels: of the last layer.
        grid: side of the average-pooled map that `embed` flattens.
    """

    def __init__(self, blocks: dict[str, nn.Module], channels: int, grid: int = 1) -> None:
        super().__init__()
        self.blocks = nn.ModuleDict(blocks)
        self.channels = channels
        self.grid = grid

    @property
    def names(self) -> list[str]:
        """Layer names in depth order."""
        return list(self.blocks)

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        """(B, 3, h, w) -> the output of every layer, by name."""
        outputs = {}
        for name, block in self.blocks.items():
            x = block(x)
            outputs[name] = shown(x)
        return outputs

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> the last layer's (B, C, h', w')."""
        for block in self.blocks.values():
            x = block(x)
        return shown(x)

    def embed(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, D): the last layer, averaged to `grid` x `grid` and flattened; any image size fits."""
        return adaptive_avg_pool2d(self(x), self.grid).flatten(1)

    def width(self) -> int:
        """D of `embed`."""
        return self.channels * self.grid**2

    def exported_name(self, key: str) -> str:
        """What a file calls the weight that is `key` in `state_dict`; no two may share a name."""
        return key

    def torchvision(self) -> str | None:
        """The model of torchvision.models whose trunk takes the exported weights as they are, if there is one."""
        return None


@dataclass(frozen=True)
class Backbone(ABC):
    """Settings of a network; `encoder()` makes it, its weights drawn from torch's global generator.

    Args:
        width: multiplies every channel count.
    """

    width: float = 1.0

    def __post_init__(self) -> None:
        check_types(self)
        check_range("width", self.width, 1e-3)

    @abstractmethod
    def encoder(self) -> Encoder:
        """A new network with random weights."""

    def channels(self, count: int) -> int:
        """A channel count at this width, at least 1."""
        return max(1, round(count * self.width))


def conv_block(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    padding: int | None = None,
    groups: int = 1,
    norm: bool = True,
    slope: float = 0.0,
) -> nn.Sequential:
    """Convolution (padded by half its kernel unless told), batch norm if `norm`, and ReLU, leaky by `slope`.

    Weights are He-normal (He et al., ICCV 2015, section 2.2); a bias there is only in the batch norm.
    """
    conv = nn.Conv2d(
        inputs, outputs, kernel, stride, kernel // 2 if padding is None else padding, groups=groups, bias=False
    )
    nn.init.normal_(conv.weight, std=math.sqrt(2 / ((1 + slope**2) * (inputs // groups) * kernel**2)))
    activation = nn.LeakyReLU(slope, inplace=True) if slope else nn.ReLU(inplace=True)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), activation) if norm else nn.Sequential(conv, activation)
