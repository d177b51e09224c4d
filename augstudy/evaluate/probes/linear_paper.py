"""Linear probe, the paper protocol: SGD on augmented images, all layers in parallel, ten crops in the end."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d, cross_entropy, max_pool2d
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.resnet import BasicBlock, Bottleneck

from augstudy.core import rng
from augstudy.core.build import check_range
from augstudy.evaluate.augmented import Augmented, ten_crops
from augstudy.evaluate.features import calibrated
from augstudy.evaluate.probes.base import EncoderProbe, Metric, Subject, top1
from augstudy.evaluate.scores import class_count
from augstudy.learn.backbones.base import Encoder, signed

__all__ = ["LinearPaper", "absorbed", "max_pooled"]

DIMS = 9600  # of a layer, at most
# Maps of AlexNet at 224 px, (channels, px) -> kernel, stride and padding: 9600, 9216, 9600, 9600, 9216 numbers.
POOLS = {(96, 55): (6, 6, 3), (256, 27): (4, 4, 0), (384, 13): (3, 3, 1), (256, 13): (2, 2, 0)}
DROPS = (10 / 36, 20 / 36, 30 / 36)  # of the learning rate, to a tenth, as shares of the training
TEST_BATCH = 256


@dataclass(frozen=True)
class LinearPaper(EncoderProbe):
    """The linear classifiers of the single-image paper: 36 epochs of SGD on random crops, ten-crop top-1.

    Batch norm is absorbed into the convolutions, layers are max-pooled to 9600 or 9216 numbers (other networks: to the
    largest square grid that gives at most 9600), and each has a batch norm without weights and a linear layer (Xavier
    weights, biases 0) of its own. All learn in parallel, their losses added. Scores are means over ten crops.

    Not as published: batch norm statistics of the encoder are re-estimated first, as for every probe here
    (`features: {calibrate: 0}` leaves them), and crops are made at the size of the data set's images.

    Args:
        epochs: the learning rate falls to a tenth after 10/36, 20/36 and 30/36 of them.
        batch_size, lr, momentum, weight_decay: of SGD.

    Source: Asano, Rupprecht, Vedaldi, ICLR 2020, and its released linear probes: the settings of
    eval_linear_probes.py, whose learning rates are fixed there.
    """

    protocol: ClassVar[str] = "paper"
    epochs: int = 36
    batch_size: int = 192
    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 1e-5

    def __post_init__(self) -> None:
        check_range("epochs", self.epochs, 1)
        check_range("batch_size", self.batch_size, 2)
        check_range("lr", self.lr, 0)
        check_range("momentum", self.momentum, 0, 0.9999)
        check_range("weight_decay", self.weight_decay, 0)

    def measure(self, subject: Subject) -> list[Metric]:
        data, extraction, device = subject.data, subject.extraction, subject.device
        trunk = absorbed(calibrated(subject.encoder, data.train, extraction.calibrate, device)).requires_grad_(False)
        train, test = extraction.indices(data)
        classes = class_count(data.train.labels, data.test.labels)
        views = Augmented(data.train, train, device)
        with rng.torch_seeded(0, "probe/linear_paper"):
            heads = self._heads(trunk, data.train.images(train[:1]).to(device), classes).to(device)
        self._train(trunk, heads, views)
        guesses = self._guesses(trunk, heads.eval(), data.test.images, test, device)
        truth = data.test.labels[test]
        return [top1(layer, guess, truth) for layer, guess in guesses.items()]

    def _heads(self, trunk: Encoder, pixels: Tensor, classes: int) -> nn.ModuleDict:
        heads = {}
        for name, y in trunk.layers(signed(pixels)).items():
            dims = max_pooled(y).shape[1]
            linear = nn.Linear(dims, classes)
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
            # One statistic a channel, as of a BatchNorm2d over the pooled map.
            heads[name] = nn.Sequential(nn.Unflatten(1, (y.shape[1], -1)), nn.BatchNorm1d(y.shape[1], affine=False))
            heads[name] += nn.Sequential(nn.Flatten(), linear)
        return nn.ModuleDict(heads)

    def _train(self, trunk: Encoder, heads: nn.ModuleDict, views: Augmented) -> None:
        optimizer = torch.optim.SGD(heads.parameters(), self.lr, self.momentum, weight_decay=self.weight_decay)
        heads.train()
        for epoch in range(self.epochs):
            for group in optimizer.param_groups:
                group["lr"] = self.lr * 0.1 ** sum(epoch >= math.ceil(at * self.epochs - 1e-9) for at in DROPS)
            for x, labels in views.epoch(epoch, self.batch_size):
                with torch.no_grad():
                    pooled = {name: max_pooled(y) for name, y in trunk.layers(x).items()}
                optimizer.zero_grad(set_to_none=True)
                torch.stack([cross_entropy(heads[name](y), labels) for name, y in pooled.items()]).sum().backward()
                optimizer.step()

    @torch.no_grad()
    def _guesses(
        self,
        trunk: Encoder,
        heads: nn.ModuleDict,
        images: Callable[[Tensor], Tensor],
        index: Tensor,
        device: torch.device,
    ) -> dict[str, Tensor]:
        found: dict[str, list[Tensor]] = {name: [] for name in trunk.names}
        for some in index.split(TEST_BATCH):
            crops = [signed(crop.to(device)) for crop in ten_crops(images(some))]
            scores = [{name: heads[name](max_pooled(y)) for name, y in trunk.layers(x).items()} for x in crops]
            for name, parts in found.items():
                parts.append(torch.stack([s[name] for s in scores]).mean(0).argmax(1).cpu())
        return {name: torch.cat(parts) for name, parts in found.items()}


def max_pooled(y: Tensor) -> Tensor:  # (B, C, h, w) -> (B, at most 9600)
    """A layer's map, max-pooled as in the paper."""
    if pool := POOLS.get((y.shape[1], y.shape[-1])):
        return max_pool2d(y, *pool).flatten(1)
    grid = max(1, min(y.shape[-1], int((DIMS / y.shape[1]) ** 0.5)))
    return adaptive_max_pool2d(y, grid).flatten(1)


def absorbed(encoder: Encoder) -> Encoder:
    """A copy in eval mode whose convolutions do what their batch norms did; the outputs are the same but for rounding.

    A batch norm is absorbed where it follows its convolution in a sequence or in a residual block of torchvision's.
    """
    encoder = copy.deepcopy(encoder).eval()
    for part in encoder.modules():
        if isinstance(part, nn.Sequential | BasicBlock | Bottleneck):
            for (first, conv), (second, norm) in pairwise(list(part.named_children())):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    setattr(part, first, fuse_conv_bn_eval(conv, norm))
                    setattr(part, second, nn.Identity())
    return encoder
