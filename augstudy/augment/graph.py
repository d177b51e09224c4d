"""A list of ops that plans itself: each run of geometry becomes one warp, each run of colour one pass."""

from dataclasses import dataclass

import torch
from torch import Tensor

from augstudy.augment.base import ColorOp, FilterOp, GeometryOp, Op, Size
from augstudy.augment.cpu.threads import alone
from augstudy.augment.crops import KeepInside
from augstudy.augment.sampler import Pyramid
from augstudy.core import rng
from augstudy.core.errors import UserError

__all__ = ["Draw", "Graph"]


@dataclass(frozen=True)
class Draw:
    """What chance gave one op: who is touched, (B,) bool, and with which parameters, (B, ...)."""

    touched: Tensor
    params: Tensor


@dataclass(frozen=True)
class Graph:
    """Ops in the order a user would write them.

    Args:
        ops: the list.
        shared: of how many of them, from the first on, both views of a pair draw the same parameters.
    """

    ops: tuple[Op, ...]
    shared: int = 0

    def __post_init__(self) -> None:
        for i, op in enumerate(self.ops):
            for later in self.ops[i + 1 :]:
                if op.drops_channels and not isinstance(later, GeometryOp):
                    what = f"{type(op).__name__} drops channels before {type(later).__name__}, which needs all three"
                    raise UserError(what, f"Put {type(op).__name__} last, or let it fill the others (drop: false).")

    def __add__(self, later: "Graph") -> "Graph":
        return Graph(self.ops + later.ops)

    @property
    def from_source(self) -> bool:
        """Whether the first op cuts from the source image itself, so that no crop goes before it."""
        return bool(self.ops) and isinstance(self.ops[0], GeometryOp) and self.ops[0].from_source

    def sample(self, seed: int, stream: str, index: Tensor, epoch: int = 0, view: int = 0) -> list[Draw]:
        """One draw for each op, keyed by (seed, stream, epoch, index, view): see `core.rng.uniform`.

        Chance lives on the CPU, whatever the device of the pixels: the parameters are the same bits everywhere, and
        what they decide (which samples, which level of the pyramid) is known without waiting for the device.
        """
        counts = [op.draws + 1 for op in self.ops]
        with alone():
            uniforms = rng.uniform(seed, stream, index.cpu(), sum(counts), epoch, view)
            if view and self.shared:
                common = rng.uniform(seed, stream, index.cpu(), sum(counts[: self.shared]), epoch)
                uniforms[:, : common.shape[1]] = common
            pairs = zip(self.ops, uniforms.split(counts, 1), strict=True)
            return [Draw(u[:, 0] < op.chance, op.sample(u[:, 1:])) for op, u in pairs]

    def out_size(self, size: Size) -> Size:
        """Size of the output for a source of this size."""
        for op in self.ops:
            if isinstance(op, GeometryOp):
                size = op.out_size(size)
        return size

    def plan(self) -> list[list[int]]:
        """Positions of the ops of each pass: as few warps, colour passes and filters as keep the meaning.

        Colour acts on each pixel by itself, so geometry overtakes it, and a run of it is one pass. Contrast alone also
        looks at the mean grey of its picture: overtaken by a crop, it takes the mean of the cropped picture. Filters
        are overtaken by nothing but rigid geometry, and only if they are symmetric.
        """
        passes: list[list[int]] = []
        warp: list[int] | None = None  # the last one, while nothing bars it
        colour: list[int] = []
        rigid_only = False
        for i, op in enumerate(self.ops):
            if isinstance(op, FilterOp):
                passes, colour = [*passes, colour, [i]], []
                rigid_only, warp = True, warp if op.symmetric else None
            elif isinstance(op, GeometryOp) and (warp is None or (rigid_only and not op.rigid)):
                warp, rigid_only = [i], False
                passes = [*passes, warp]
            elif isinstance(op, GeometryOp) and warp is not None:
                warp.append(i)
            else:
                colour.append(i)
        return [p for p in (*passes, colour) if p]

    def describe(self) -> str:
        """The plan in words, such as "9 nodes -> 1 warp + 1 colour pass + 1 blur", and a line for each pass."""
        plan = [(self._kind(positions), positions) for positions in self.plan()]
        kinds = [kind for kind, _ in plan]
        counts = [counted(kinds.count(kind), kind) for kind in dict.fromkeys(kinds)]
        lines = [f"  {kind}: {', '.join(type(self.ops[i]).__name__ for i in positions)}" for kind, positions in plan]
        return "\n".join([f"{counted(len(self.ops), 'node')} -> {' + '.join(counts) or 'nothing to do'}", *lines])

    def _kind(self, positions: list[int]) -> str:
        first = self.ops[positions[0]]
        if isinstance(first, GeometryOp):
            return "warp"
        if isinstance(first, FilterOp):
            return "blur" if "Blur" in type(first).__name__ else "filter"
        return "colour pass"

    def __call__(
        self,
        source: Pyramid,
        draws: list[Draw],
        border: str = "reflect",
        antialias: bool = True,
        quality: str = "default",
    ) -> Tensor:
        """Pixels for every sample of the draws.

        Args:
            source: one image for all samples, or one for each.
            border, antialias, quality: see `Pyramid.warp`.

        Returns:
            (B, 3, h, w) float in [0, 1]; without ops, the source's images.
        """
        x = None
        for positions in self.plan():
            chosen = [(self.ops[i], draws[i]) for i in positions]
            if isinstance(chosen[0][0], GeometryOp):
                pyramid = source if x is None else Pyramid(x)
                with alone():
                    matrix, size = compose(chosen, pyramid.size)
                x = pyramid.warp(matrix, size, border, antialias, quality)
            else:
                if x is None:
                    whole = source.images.expand(len(draws[0].touched), -1, -1, -1)
                    x = whole.clone(memory_format=torch.contiguous_format)
                x = recolour(x, chosen)
        return source.images if x is None else x


def counted(count: int, what: str) -> str:
    """1 node, 2 nodes, 2 colour passes."""
    return f"{count} {what}{'' if count == 1 else 'es' if what.endswith('s') else 's'}"


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
    """Colour and filter ops one after the other, each on the samples it touches; `x` may be overwritten."""
    for op, draw in chosen:
        assert isinstance(op, ColorOp)
        rows = draw.touched.nonzero()[:, 0]
        if len(rows):
            x = op.change(x, draw.params, rows)
    return x
