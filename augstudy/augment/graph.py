"""A list of ops that plans itself: each run of geometry becomes one warp, each run of colour one pass."""

from dataclasses import dataclass

import torch
from torch import Tensor

from augstudy.augment.base import ColorOp, FilterOp, GeometryOp, Op, Size
from augstudy.augment.crops import KeepInside
from augstudy.augment.sampler import Pyramid
from augstudy.core import rng

__all__ = ["Draw", "Graph"]


@dataclass(frozen=True)
class Draw:
    """What chance gave one op: who is touched, (B,) bool, and with which parameters, (B, ...)."""

    touched: Tensor
    params: Tensor


@dataclass(frozen=True)
class Graph:
    """Ops in the order a user would write them."""

    ops: tuple[Op, ...]

    def __add__(self, later: "Graph") -> "Graph":
        return Graph(self.ops + later.ops)

    def sample(self, seed: int, stream: str, index: Tensor, epoch: int = 0, view: int = 0) -> list[Draw]:
        """One draw for each op, keyed by (seed, stream, epoch, index, view): see `core.rng.uniform`."""
        counts = [op.draws + 1 for op in self.ops]
        uniforms = rng.uniform(seed, stream, index, sum(counts), epoch, view)
        return [
            Draw(u[:, 0] < op.chance, op.sample(u[:, 1:]))
            for op, u in zip(self.ops, uniforms.split(counts, 1), strict=True)
        ]

    def out_size(self, size: Size) -> Size:
        """Size of the output for a source of this size."""
        for op in self.ops:
            if isinstance(op, GeometryOp):
                size = op.out_size(size)
        return size

    def plan(self) -> list[list[int]]:
        """Positions of the ops of each pass: geometry first, then colour, and a new warp only after a filter.

        Colour acts on each pixel by itself, so geometry may overtake it; a filter may be overtaken by nothing. Contrast
        alone also looks at the mean grey of its picture: overtaken by a crop, it takes the mean of the cropped picture.
        """
        passes: list[list[int]] = []
        warp: list[int] = []
        rest: list[int] = []
        blocked = False
        for i, op in enumerate(self.ops):
            if isinstance(op, GeometryOp) and blocked:
                passes += [p for p in (warp, rest) if p]
                warp, rest, blocked = [], [], False
            (warp if isinstance(op, GeometryOp) else rest).append(i)
            blocked = blocked or isinstance(op, FilterOp)
        return passes + [p for p in (warp, rest) if p]

    def __call__(self, source: Pyramid, draws: list[Draw], border: str = "reflect", antialias: bool = True) -> Tensor:
        """Pixels for every sample of the draws.

        Args:
            source: one image for all samples, or one for each.
            border, antialias: see `Pyramid.warp`.

        Returns:
            (B, 3, h, w) float in [0, 1]; without ops, the source's images.
        """
        x = source.images
        for number, positions in enumerate(self.plan()):
            chosen = [(self.ops[i], draws[i]) for i in positions]
            if isinstance(chosen[0][0], GeometryOp):
                pyramid = source if number == 0 else Pyramid.of(x)
                matrix, size = compose(chosen, pyramid.size)
                x = pyramid.warp(matrix, size, border, antialias)
            else:
                x = recolour(x.expand(len(chosen[0][1].touched), -1, -1, -1), chosen)
        return x


def compose(chosen: list[tuple[Op, Draw]], source: Size) -> tuple[Tensor, Size]:
    """One matrix for a run of geometry: (B, 3, 3) from output to source coordinates, and the output's size."""
    first = chosen[0][1].touched
    eye = torch.eye(3, device=first.device)
    matrix, size = eye.expand(len(first), 3, 3), source
    for op, draw in chosen:
        assert isinstance(op, GeometryOp)
        touched, out = draw.touched[:, None, None], op.out_size(size)
        # An op that changes the size stretches the whole frame of a sample that it does not touch.
        still = eye * eye.new_tensor([size[1] / out[1], size[0] / out[0], 1])
        matrix = matrix @ torch.where(touched, op.matrix(draw.params, size), still)
        size = out
        if isinstance(op, KeepInside):
            matrix = torch.where(touched, op.constrain(matrix, size, source), matrix)
    return matrix, size


def recolour(x: Tensor, chosen: list[tuple[Op, Draw]]) -> Tensor:
    """Colour and filter ops one after the other, each on the samples it touches."""
    for op, draw in chosen:
        assert isinstance(op, ColorOp)
        if op.chance >= 1:
            x = op.apply(x, draw.params)
        elif op.chance > 0:
            x = torch.where(draw.touched.view(-1, 1, 1, 1), op.apply(x, draw.params), x)
    return x
