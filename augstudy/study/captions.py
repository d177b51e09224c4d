"""What was done to a crop or a view, in the few words that fit under its picture."""

from functools import singledispatch

import torch
from torch import Tensor

from augstudy.augment.base import GeometryOp, Op, Size
from augstudy.augment.color import ColorJitter
from augstudy.augment.filters import GaussianBlur
from augstudy.augment.graph import Draw, Graph, compose
from augstudy.data.corpus import Source

__all__ = ["geometry", "texts", "words"]


def texts(source: Source, index: Tensor, graph: Graph | None = None, view: int = 0) -> list[str]:
    """For each sample: its share of the image, its turn and flip, then each other op that touched it, a line each."""
    found = [""] * len(index)
    for reading in source.readings(index, graph, view=view):
        lines = geometry(reading.graph, reading.draws, reading.source.size) or [""] * len(reading.rows)
        for place, (row, line) in enumerate(zip(reading.rows.tolist(), lines, strict=True)):
            ops = zip(reading.graph.ops, reading.draws, strict=True)
            others = [
                words(op, d.params[place]) for op, d in ops if d.touched[place] and not isinstance(op, GeometryOp)
            ]
            found[row] = "\n".join(text for text in (line, *others) if text)
    return found


def geometry(graph: Graph, draws: list[Draw], image: Size) -> list[str]:
    """All geometry of a graph together, read off the matrix that it composes to: `3.1 % +12° flip`; [] if none."""
    chosen = [(op, draw) for op, draw in zip(graph.ops, draws, strict=True) if isinstance(op, GeometryOp)]
    if not chosen:
        return []
    matrix, (h, w) = compose([(op, draw) for op, draw in chosen], image)
    share, angle = area_and_turn(matrix.cpu(), h, w)
    share = share / (image[0] * image[1])
    rows = zip(share.tolist(), angle.tolist(), strict=True)
    return [f"{percent(abs(s))} {round(a):+d}°{' flip' if s < 0 else ''}" for s, a in rows]


def area_and_turn(matrix: Tensor, h: int, w: int) -> tuple[Tensor, Tensor]:
    """What a matrix (B, 3, 3) from output to image reads there: px^2, negative if mirrored; degrees of its top edge."""
    corners = torch.tensor([[0.0, 0, 1], [w, 0, 1], [w, h, 1], [0, h, 1]])
    mapped = corners @ matrix.mT  # (B, 4, 3)
    x, y = (mapped[..., :2] / mapped[..., 2:]).unbind(-1)  # (B, 4) each
    area = (x * y.roll(-1, 1) - y * x.roll(-1, 1)).sum(1) / 2  # the shoelace formula
    # A picture turned counter-clockwise is read clockwise; the top edge of a mirrored one points the other way.
    angle = torch.atan2(y[:, 1] - y[:, 0], (x[:, 1] - x[:, 0]) * area.sign()) * area.sign()
    return area, torch.rad2deg(angle)


def percent(share: float) -> str:
    """Two digits are enough to compare crops by."""
    return f"{100 * share:.2g} %" if share < 0.095 else f"{100 * share:.0f} %"


@singledispatch
def words(op: Op, params: Tensor) -> str:
    """An op that touched a sample, with its parameters where they say something; else its name."""
    return type(op).__name__


@words.register
def _(op: ColorJitter, params: Tensor) -> str:
    used = zip("bcs", (op.brightness, op.contrast, op.saturation), params[:3].tolist(), strict=True)
    factors = [f"{letter}{value:.1f}" for letter, reach, value in used if reach > 0]
    return " ".join([*factors, f"h{360 * float(params[3]):+.0f}°"] if op.hue > 0 else factors)


@words.register
def _(op: GaussianBlur, params: Tensor) -> str:
    return f"blur {float(params.flatten()[0]):.1f} px"
