"""Vision transformer from torchvision's blocks: patches of an image as words of a sentence."""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models.vision_transformer import EncoderBlock
from torchvision.ops import StochasticDepth

from augstudy.core.build import check_choice, check_range
from augstudy.core.errors import UserError
from augstudy.learn.backbones.base import Backbone, Encoder, Tokens

__all__ = ["ViT"]

EXPANSION = 4  # of the hidden layer in a block, of all published sizes
SPREAD = 0.02  # standard deviation of first weights
# torchvision's names in a block -> those of DINO's release, MAE's and timm
NAMES = {
    "ln_1": "norm1",
    "ln_2": "norm2",
    "mlp.0": "mlp.fc1",
    "mlp.3": "mlp.fc2",
    "self_attention.out_proj": "attn.proj",
}


def sincos(width: int, side: int) -> Tensor:
    """Sines and cosines of each place's row and column at `width` / 4 frequencies: (1, 1 + side^2, width), 0 for [CLS].

    Source: Vaswani et al., NeurIPS 2017, section 3.5, in two dimensions as in MAE's released code.
    """
    rates = 10000.0 ** -(torch.arange(width // 4) / (width // 4))
    row, column = (n.flatten()[:, None] * rates for n in torch.meshgrid(*[torch.arange(side)] * 2, indexing="ij"))
    places = torch.cat((column.sin(), column.cos(), row.sin(), row.cos()), 1)  # (side^2, width)
    return torch.cat((torch.zeros(1, width), places))[None]


class Embedding(nn.Module):
    """Pixels (B, 3, h, w) -> tokens: each patch through one linear map, plus where it is; [CLS] before them."""

    pos_embed: Tensor

    def __init__(self, width: int, patch: int, side: int, learned: bool) -> None:
        super().__init__()
        self.patch, self.side = patch, side
        self.proj = nn.Conv2d(3, width, patch, patch)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        nn.init.trunc_normal_(self.cls_token, std=SPREAD)
        if learned:
            self.pos_embed = nn.Parameter(torch.empty(1, 1 + side**2, width))
            nn.init.trunc_normal_(self.pos_embed, std=SPREAD)
        else:
            self.register_buffer("pos_embed", sincos(width, side))

    def forward(self, x: Tensor) -> Tokens:
        y = self.proj(x)  # (B, C, h, w); pixels beyond the last whole patch are not seen
        return self.joined(y.flatten(2).transpose(1, 2), (y.shape[2], y.shape[3]))

    def joined(self, patches: Tensor, grid: tuple[int, int]) -> Tokens:
        """[CLS] and embedded patches (B, h w, C), with their places."""
        first = self.cls_token.expand(len(patches), -1, -1)
        return Tokens(torch.cat((first, patches), 1) + self.places(grid), grid)

    def places(self, grid: tuple[int, int]) -> Tensor:
        """(1, 1 + h w, C) of a grid of another size: interpolated between those that there are.

        Source: Caron et al., ICCV 2021, released code: bicubic.
        """
        if grid == (self.side, self.side):
            return self.pos_embed
        square = self.pos_embed[:, 1:].transpose(1, 2).unflatten(2, (self.side, self.side))
        fitted = interpolate(square, size=grid, mode="bicubic", align_corners=False)
        return torch.cat((self.pos_embed[:, :1], fitted.flatten(2).transpose(1, 2)), 1)


class Block(EncoderBlock):  # type: ignore[misc]
    """torchvision's pre-norm block on tokens; both its branches are dropped for a sample with probability `drop`."""

    def __init__(self, width: int, heads: int, drop: float) -> None:
        super().__init__(heads, width, EXPANSION * width, 0.0, 0.0)
        if drop:
            self.dropout = self.mlp[4] = StochasticDepth(drop, "row")  # each stands before its branch is added
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.trunc_normal_(m.weight, std=SPREAD)
                nn.init.zeros_(m.bias)
        nn.init.trunc_normal_(self.self_attention.in_proj_weight, std=SPREAD)

    def forward(self, tokens: Tokens) -> Tokens:
        return Tokens(super().forward(tokens.sequence), tokens.grid)

    def attention(self, tokens: Tokens) -> Tensor:
        """How much each token heeds each other: (B, heads, 1 + h w, 1 + h w), rows add up to 1."""
        x = self.ln_1(tokens.sequence)
        weights: Tensor = self.self_attention(x, x, x, need_weights=True, average_attn_weights=False)[1]
        return weights


class Readout(nn.Module):
    """The last norm, and [CLS] behind it as a map of one pixel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, tokens: Tokens) -> Tensor:
        y: Tensor = self.norm(tokens.sequence[:, 0])
        return y[:, :, None, None]


class ViTEncoder(Encoder):
    """block1 ... of patches, then `cls`; exported under the names of DINO's and MAE's releases and of timm."""

    def __init__(self, embedding: Embedding, blocks: list[Block], readout: Readout, width: int) -> None:
        named: dict[str, nn.Module] = {f"block{i + 1}": block for i, block in enumerate(blocks)}
        named["block1"] = nn.Sequential(OrderedDict(embedding=embedding, block=blocks[0]))
        super().__init__({**named, "cls": readout}, width)
        self.patch = embedding.patch

    @property
    def embedding(self) -> Embedding:
        found = self.blocks["block1"][0]  # type: ignore[index]
        assert isinstance(found, Embedding)
        return found

    @property
    def stack(self) -> list[Block]:
        """The blocks alone."""
        first, *rest = (block for name, block in self.blocks.items() if name != "cls")
        found = [first[1], *rest]  # type: ignore[index]
        assert all(isinstance(block, Block) for block in found)
        return found

    @property
    def norm(self) -> nn.Module:
        """Behind the last block."""
        readout = self.blocks["cls"]
        assert isinstance(readout, Readout)
        return readout.norm

    def encoded(self, tokens: Tokens) -> Tensor:
        """Embedded tokens, all or some of them, (B, S, C) -> what the last block makes of them, normalised."""
        for block in self.stack:
            tokens = block(tokens)
        y: Tensor = self.norm(tokens.sequence)
        return y

    def attention(self, x: Tensor) -> Tensor:
        """(B, 3, h, w) -> (B, heads, h', w'): how much [CLS] heeds each patch in the last block; [CLS] has the rest."""
        *before, last = self.stack
        tokens = self.embedding(x)
        for block in before:
            tokens = block(tokens)
        return last.attention(tokens)[:, :, 0, 1:].unflatten(2, tokens.grid)

    def exported_name(self, key: str) -> str:
        _, layer, rest = key.split(".", 2)
        rest = rest.removeprefix("block.").replace("self_attention.in_proj_", "attn.qkv.")
        if layer == "cls":
            return rest
        if rest.startswith("embedding."):
            name = rest.removeprefix("embedding.")
            return f"patch_embed.{name}" if name.startswith("proj") else name
        for own, theirs in NAMES.items():
            rest = rest.replace(own, theirs)
        return f"blocks.{int(layer.removeprefix('block')) - 1}.{rest}"


@dataclass(frozen=True)
class ViT(Backbone):
    """block1 ... block12, the patches behind each block, and cls, the [CLS] token behind the last norm; the defaults
    are ViT-S/16.

    Layers are a residual stream, so no ReLU stands before them. A method's head is given [CLS]. An image of any size
    fits that has a whole patch; places are then interpolated.

    Args:
        dim: width of a token; `width` multiplies it, each head its share.
        depth: blocks.
        heads: of attention.
        patch: side of a patch in pixels.
        image: side of the images that have a place of their own for each patch, in pixels.
        positions: "learned", or "sincos" for fixed sines and cosines, as MAE has them.
        drop_path: probability that the last block's branches are dropped for a sample in training; it rises from 0 at
            the first block.

    Source: Dosovitskiy et al., ICLR 2021; ViT-S is Touvron et al.'s (DeiT, ICML 2021). First weights as in DINO's
    released code: truncated normal of 0.02, no biases, torch's own for the patches.
    """

    dim: int = 384
    depth: int = 12
    heads: int = 6
    patch: int = 16
    image: int = 224
    positions: str = "learned"
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("dim", "heads", "patch"):
            check_range(name, getattr(self, name), 1)
        check_range("depth", self.depth, 2)
        check_range("image", self.image, self.patch)
        check_range("drop_path", self.drop_path, 0, 0.99)
        check_choice("positions", self.positions, ("learned", "sincos"))
        if self.dim % self.heads:
            what = f"dim is {self.dim}, which {self.heads} heads cannot share out evenly"
            raise UserError(what, f"Set dim to a multiple of {self.heads}.")
        if self.positions == "sincos" and self.size % 4:
            what = f"tokens are {self.size} wide, and sincos needs a multiple of 4"
            raise UserError(what, "Change dim or width, or set positions: learned.")

    @property
    def size(self) -> int:
        """Width of a token at this `width`."""
        return self.heads * self.channels(self.dim // self.heads)

    def encoder(self) -> ViTEncoder:
        side = self.image // self.patch
        embedding = Embedding(self.size, self.patch, side, self.positions == "learned")
        drops = [self.drop_path * i / (self.depth - 1) for i in range(self.depth)]
        return ViTEncoder(
            embedding, [Block(self.size, self.heads, drop) for drop in drops], Readout(self.size), self.size
        )
