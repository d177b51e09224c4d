"""How far each op is from torchvision and kornia, given the same parameters.

`python -m augstudy.bench.references.parity` prints the table of docs/parity.md.
"""

import itertools
from typing import Any

import kornia
import torch
import torchvision
from torch import Tensor

from augstudy.augment.base import ColorOp, GeometryOp, Op
from augstudy.augment.graph import Draw, Graph, compose
from augstudy.augment.sampler import Pyramid
from augstudy.bench.references.case import Case, Reference
from augstudy.bench.references.geometry import FUSED, GEOMETRY
from augstudy.bench.references.pixels import COLOUR, FILTERS
from augstudy.core import rng

__all__ = ["CASES", "Figures", "markdown", "measure"]

CASES = (*GEOMETRY, FUSED, *COLOUR, *FILTERS)
SAMPLES = 16
SMOOTH, SQUARE, NOISE = (256, 384), (256, 256), (64, 96)  # (height, width) of the pictures
Figures = tuple[float | None, float | None]  # max |difference| to torchvision and to kornia


def smooth(size: tuple[int, int]) -> Tensor:
    """A picture of slow waves without symmetry, on which interpolation hardly errs: (1, 3, h, w)."""
    y, x = torch.meshgrid(*(torch.arange(n) / n for n in size), indexing="ij")
    return torch.stack([0.5 + 0.4 * torch.sin(3 * x + a * y + a) for a in (1.0, 2.0, 3.5)])[None]


def noise() -> Tensor:
    """Random colours with the corners of the cube and a grey among them: (1, 3, h, w)."""
    x = rng.uniform(0, "parity/noise", torch.arange(1), 3 * NOISE[0] * NOISE[1]).view(1, 3, *NOISE)
    corners = torch.tensor([*itertools.product((0.0, 1.0), repeat=3), (0.5, 0.5, 0.5)]).T  # (3, 9)
    x[0, :, 0, :90] = corners.repeat_interleave(10, 1)
    return x


def measure(case: Case) -> Figures:
    """The largest difference over samples and pixels, in units of pixels from 0 to 1; None without a counterpart."""
    if isinstance(case.parts[0], ColorOp):
        return _differences(case, noise())
    return _differences(case, smooth(SQUARE if case.ops == ("quarter_turn",) else SMOOTH))


def _differences(case: Case, x: Tensor) -> Figures:
    graph = Graph(tuple(case.parts))
    draws = graph.sample(0, f"parity/{'/'.join(case.ops)}", torch.arange(SAMPLES))
    ours = _ours(graph, draws, x)
    torchvision, kornia = (
        None if reference is None else max(_difference(reference, graph.ops, draws, x, ours, i) for i in range(SAMPLES))
        for reference in (case.torchvision, case.kornia)
    )
    return torchvision, kornia


def _ours(graph: Graph, draws: list[Draw], x: Tensor) -> Tensor:
    """Without antialiasing, which neither library has in a warp."""
    if not isinstance(graph.ops[0], GeometryOp):
        return graph(Pyramid(x.expand(SAMPLES, -1, -1, -1)), draws)
    pyramid = Pyramid(x)
    matrix, out = compose(list(zip(graph.ops, draws, strict=True)), pyramid.size)
    return pyramid.warp(matrix, out, antialias=False)


def _difference(reference: Reference, ops: tuple[Op, ...], draws: list[Draw], x: Tensor, ours: Tensor, i: int) -> float:
    """Of one sample, where the reference looks at nothing outside its picture."""
    params: list[Any] = [draw.params[i : i + 1] for draw in draws]
    op, given = (ops, params) if len(ops) > 1 else (ops[0], params[0])
    theirs = reference(op, x, given)
    far = (ours[i : i + 1] - theirs).abs()
    if isinstance(ops[0], GeometryOp):
        far = far[(reference(op, torch.ones_like(x), given) > 0.999).expand_as(far)]
    return float(far.max())


def markdown() -> str:
    """The table, differences in units of 1/255."""
    versions = f"torchvision {torchvision.__version__.split('+')[0]}, kornia {kornia.__version__}"
    lines = [
        f"Largest difference in 1/255 over {SAMPLES} draws, with {versions}.",
        "",
        "| op | torchvision v2 | kornia | note |",
        "|---|---:|---:|---|",
    ]
    for case in CASES:
        figures = ["-" if far is None else f"{far * 255:.3f}" for far in measure(case)]
        lines.append(f"| {' + '.join(case.ops)} | {' | '.join(figures)} | {case.note} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(markdown())
