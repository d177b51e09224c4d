"""How near crops come to what an ideal camera would have seen: geometry alone, against supersampling."""

from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample
from torchvision.transforms.functional import to_tensor

from augstudy.augment.base import GeometryOp, Op, Size
from augstudy.augment.crops import KeepInside
from augstudy.augment.geometry import Rotate, Shear
from augstudy.augment.graph import Draw, compose
from augstudy.bench.references.script import geometry
from augstudy.data.corpus import Corpus, Recipe

__all__ = ["Aims", "aims", "our_crops", "psnr", "script_crops", "still", "supersampled"]

TAPS = 12  # samples along each side of an output pixel


@dataclass(frozen=True)
class Aims:
    """Where some crops of a corpus look.

    Args:
        index: (N,) their numbers.
        matrix: (N, 3, 3) from output to image coordinates.
        boxes: (x0, y0, width, height) in the image, before turn and slant.
        rotation, shear: (N,) degrees.
    """

    index: Tensor
    matrix: Tensor
    boxes: list[tuple[int, int, int, int]]
    rotation: Tensor
    shear: Tensor


def still(recipe: Recipe) -> Recipe:
    """The recipe without colour and flip: its geometry, number for number."""
    return replace(recipe, flip_p=0, jitter_p=0)


def aims(recipe: Recipe, source: Size, count: int, seed: int = 0) -> Aims:
    """The first `count` crops that lie inside their box even when turned and slanted.

    Of the others the script's corners are black, and ours are moved to lie inside the image: there is no truth that
    both could meet.
    """
    index = torch.arange(8 * count)
    graph = still(recipe).graph()
    draws = graph.sample(seed, "crop", index)
    chosen: list[tuple[Op, Draw]] = [
        (op, draw)
        for op, draw in zip(graph.ops, draws, strict=True)
        if isinstance(op, GeometryOp) and not isinstance(op, KeepInside)
    ]
    matrix, size = compose(chosen, source)  # (N, 3, 3)
    box, side = compose(chosen[:2], source)
    kept = _inside(torch.linalg.solve(box, matrix), size, side).nonzero()[:count, 0]
    degrees = {type(op): draw.params[kept] for op, draw in chosen}
    return Aims(index[kept], matrix[kept], _boxes(box[kept], side), degrees[Rotate], degrees[Shear])


def _inside(matrix: Tensor, size: Size, frame: Size) -> Tensor:
    """(N,) whether all four corners of an output of this size lie inside the frame."""
    h, w = size
    corners = matrix.new_tensor([[0, w, 0, w], [0, 0, h, h], [1, 1, 1, 1]])
    at = (matrix @ corners)[:, :2]  # (N, 2, 4)
    bounds = at.new_tensor([frame[1], frame[0]])[:, None]
    return ((at >= 0) & (at <= bounds)).all(2).all(1)


def _boxes(matrix: Tensor, side: Size) -> list[tuple[int, int, int, int]]:
    x0, y0, w, h = matrix[:, 0, 2], matrix[:, 1, 2], matrix[:, 0, 0] * side[1], matrix[:, 1, 1] * side[0]
    rows = torch.stack((x0, y0, w, h), 1).round().long().tolist()
    return [(a, b, c, d) for a, b, c, d in rows]


def supersampled(image: Tensor, matrix: Tensor, size: int) -> Tensor:
    """The mean of 12 x 12 bilinear readings of the full image within each output pixel.

    Args:
        image: (3, H, W) uint8.
        matrix: (N, 3, 3) from output to image coordinates, pixel centres at +0.5.

    Returns:
        (N, 3, size, size) float in [0, 1].
    """
    full = image[None].float() / 255
    bounds = full.new_tensor([image.shape[2], image.shape[1]])
    fine = (torch.arange(TAPS * size, dtype=torch.float64) + 0.5) / TAPS  # (12 size,) in output pixels
    crops = []
    for m in matrix.double():
        xy = fine[None, :, None] * m[:2, 0] + fine[:, None, None] * m[:2, 1] + m[:2, 2]  # (12 size, 12 size, 2)
        grid = (xy * (2 / bounds) - 1).float()[None]
        samples = grid_sample(full, grid, mode="bilinear", padding_mode="border", align_corners=False)
        crops.append(avg_pool2d(samples, TAPS)[0])  # (3, size, size)
    return torch.stack(crops)


def script_crops(image: Tensor, recipe: Recipe, aimed: Aims) -> Tensor:
    """What the script's resamplings make of the same crops: (N, 3, size, size) float in [0, 1]."""
    picture = Image.fromarray(image.permute(1, 2, 0).numpy())
    side = int(recipe.enlarge * recipe.size)
    turns = zip(aimed.boxes, aimed.rotation.tolist(), aimed.shear.tolist(), strict=True)
    crops = [geometry(picture, box, side, rotation, shear, recipe.size) for box, rotation, shear in turns]
    return torch.stack([to_tensor(crop) for crop in crops])


def our_crops(image: Tensor, recipe: Recipe, aimed: Aims, device: torch.device, seed: int = 0) -> Tensor:
    """What a corpus makes of them, by the road that every user takes: (N, 3, size, size) float in [0, 1]."""
    return Corpus(image, still(recipe), seed, device).batch(aimed.index).cpu()


def psnr(crops: Tensor, truth: Tensor) -> float:
    """Peak signal-to-noise ratio in dB for pixels in [0, 1], the squared error averaged over all crops."""
    error = (crops.double() - truth.double()).square().mean()
    return float(-10 * error.log10())
