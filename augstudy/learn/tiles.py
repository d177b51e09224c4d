"""Tiles of a view: three by three squares with room between them, each moved a little by keyed chance."""

from dataclasses import dataclass

import torch
from torch import Tensor

from augstudy.core import rng
from augstudy.core.errors import UserError

__all__ = ["CENTRE", "Grid", "cut", "standardised"]

SIDE = 3
CENTRE = 4  # number of the middle tile, counted row by row


@dataclass(frozen=True)
class Grid:
    """Where the nine tiles of a view lie.

    Args:
        size: side of the view in pixels.
        tile: side of a tile.
        pitch: from one tile's unmoved corner to the next one's; tiles that touch have a pitch of `tile`.
        moves: most pixels that chance adds to a corner, in each direction by itself.

    Raises:
        UserError: the grid does not fit the view, or its tiles could overlap.
    """

    size: int
    tile: int
    pitch: int
    moves: int

    def __post_init__(self) -> None:
        if self.pitch < self.tile + self.moves:
            what = f"tiles of {self.tile} px every {self.pitch} px overlap when they move by {self.moves} px"
            raise UserError(what, "Set smaller tiles or less jitter, or leave more room between tiles.")
        if self.slack < 0:
            what = (
                f"a 3 x 3 grid of {self.tile} px tiles needs views of {self.size - self.slack} px, not of {self.size}"
            )
            raise UserError(what, f"Set view.size to {self.size - self.slack} or more, or smaller tiles.")

    @property
    def slack(self) -> int:
        """Pixels by which the whole grid may be placed within the view."""
        return self.size - (SIDE - 1) * self.pitch - self.tile - self.moves

    def boxes(self, seed: int, stream: str, index: Tensor, step: int) -> Tensor:
        """Top and left of the nine tiles of these crops in this step, row by row: (B,) -> (B, 9, 2) int64."""
        u = rng.uniform(seed, stream, index, 2 * SIDE**2 + 2, step).view(len(index), -1, 2)
        at = torch.arange(SIDE, device=index.device) * self.pitch
        corners = torch.stack(torch.meshgrid(at, at, indexing="ij"), -1).view(1, -1, 2)
        return corners + whole(u[:, :1], self.slack) + whole(u[:, 1:], self.moves)


def whole(u: Tensor, most: int) -> Tensor:
    """Uniform numbers in [0, 1) as whole numbers from 0 to `most`."""
    return (u * (most + 1)).long().clamp_(max=most)  # the product may round up to most + 1


def cut(view: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Squares of a view; what would lie outside repeats its edge.

    Args:
        view: (B, 3, s, s).
        boxes: (B, T, 2) tops and lefts, or (B, T, 3, 2) where each channel has its own.
        side: of a square, in pixels.

    Returns:
        (B, T, 3, side, side).
    """
    if boxes.dim() == 3:
        boxes = boxes[:, :, None]
    steps = torch.arange(side, device=view.device)
    rows, cols = ((boxes[..., i, None] + steps).clamp_(0, view.shape[-1] - 1) for i in range(2))  # (B, T, 1 or 3, side)
    crops = torch.arange(len(view), device=view.device)[:, None, None, None, None]
    channels = torch.arange(view.shape[1], device=view.device)[:, None, None]
    return view[crops, channels, rows[..., :, None], cols[..., None, :]]


def standardised(tiles: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Mean 0 and standard deviation 1 over these dimensions; what is flatter than a grey level stays flat."""
    centred = tiles - tiles.mean(dims, keepdim=True)
    return centred / centred.square().mean(dims, keepdim=True).sqrt().clamp(min=1 / 255)
