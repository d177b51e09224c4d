"""Pictures cut into square tiles that change places."""

from dataclasses import dataclass

import torch
from torch import Tensor

from augstudy.augment.base import FilterOp
from augstudy.core.build import check_range

__all__ = ["TILES", "Jigsaw"]

TILES = 16  # a side at most


@dataclass(frozen=True)
class Jigsaw(FilterOp):
    """Cut the picture into tiles x tiles equal ones and put them back in random places, any order as likely.

    Whole pixels move and none is read in between. Where a side is no multiple of `tiles`, the last pixels of it, fewer
    than there are tiles, stay. Tiles are not turned.

    Args:
        tiles: a side; 1 leaves the picture whole.

    Source: Noroozi and Favaro, ECCV 2016; Misra and van der Maaten (PIRL), CVPR 2020, section 3: 3 x 3 tiles.
    """

    tiles: int = 3
    on_or_off = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("tiles", self.tiles, 1, TILES)

    @property
    def draws(self) -> int:  # type: ignore[override]
        return self.tiles**2

    def sample(self, uniforms: Tensor) -> Tensor:  # (B, tiles^2) -> (B, tiles^2), which tile comes to each place
        return uniforms.argsort(dim=1, stable=True)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        (count, channels), t = x.shape[:2], self.tiles
        h, w = (length // t for length in x.shape[-2:])
        if h == 0 or w == 0:  # no pixel for each tile
            return x
        y = x.clone(memory_format=torch.contiguous_format)
        cut = x[..., : t * h, : t * w].unflatten(3, (t, w)).unflatten(2, (t, h))  # (B, C, t, h, t, w)
        tiles = cut.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)  # (B, t^2, C, h, w)
        order = params.long()[:, :, None, None, None].expand(-1, -1, channels, h, w)
        moved = tiles.gather(1, order).view(count, t, t, channels, h, w).permute(0, 3, 1, 4, 2, 5)
        y[..., : t * h, : t * w] = moved.reshape(count, channels, t * h, t * w)
        return y
