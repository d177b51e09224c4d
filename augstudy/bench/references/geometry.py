"""The geometry ops with torchvision's and kornia's functions, in one pixel convention."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from kornia import augmentation
from kornia.geometry import transform
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from augstudy.bench.references.case import Case, Reference, one

__all__ = ["FUSED", "GEOMETRY"]


def crop_with(resize: Callable[[Tensor, int], Tensor]) -> Reference:
    """Cut the box of whole pixels, then resize it without antialiasing."""

    def reference(op: Any, x: Tensor, params: Tensor) -> Tensor:
        size = (x.shape[-2], x.shape[-1])
        m, (h, w) = op.matrix(params, size)[0], op.out_size(size)
        left, top, right, bottom = (m[0, 2], m[1, 2], m[0, 2] + w * m[0, 0], m[1, 2] + h * m[1, 1])
        rows, columns = (slice(round(float(a)), round(float(b))) for a, b in ((top, bottom), (left, right)))
        return resize(x[..., rows, columns], h)

    return reference


def tv_resize(x: Tensor, side: int) -> Tensor:
    return tv.resize(x, [side, side], tv.InterpolationMode.BILINEAR, antialias=False)


def kornia_resize(x: Tensor, side: int) -> Tensor:
    return transform.resize(x, (side, side), align_corners=False)


def replayed(name: str, given: Callable[[Any, Tensor, Tensor], dict[str, Tensor]], **settings: Any) -> Reference:
    """A kornia class run on parameters of ours, in the one pixel convention (align_corners says nothing else here)."""

    def reference(op: Any, x: Tensor, params: Tensor) -> Tensor:
        fixed = {"batch_prob": torch.ones(1), "forward_input_shape": torch.tensor(x.shape)}
        return getattr(augmentation, name)(**settings)(x, params={**fixed, **given(op, x, params)})

    return reference


def centre(x: Tensor) -> Tensor:
    return torch.tensor([[(x.shape[-1] - 1) / 2, (x.shape[-2] - 1) / 2]])


def tv_affine(x: Tensor, shift: Sequence[int] = (0, 0), scale: float = 1.0, shear: float = 0.0) -> Tensor:
    return tv.affine(x, 0, list(shift), scale, [shear, 0.0], tv.InterpolationMode.BILINEAR)


def kornia_affine(op: Any, x: Tensor, params: Tensor) -> dict[str, Tensor]:
    nothing = torch.zeros(1)
    both = params.view(1, 1).expand(1, 2)
    rest = {"angle": nothing, "shear_x": nothing, "shear_y": nothing}
    return {"translations": torch.zeros(1, 2), "center": centre(x), "scale": both, **rest}


def corners(op: Any, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
    """Where `Perspective` takes the centres of the corner pixels from and to: (1, 4, 2) each, the first pixel at 0."""
    h, w = x.shape[-2:]
    starts = torch.tensor([[0.0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]])
    back = torch.linalg.inv(op.matrix(params, (h, w))[0].double())
    ends = back @ torch.cat((starts.double() + 0.5, torch.ones(4, 1)), 1).T
    return starts[None], ((ends[:2] / ends[2]).T - 0.5).round()[None].float()


def tv_perspective(op: Any, x: Tensor, params: Tensor) -> Tensor:
    """torchvision counts corners from 0 but reads pixels at +0.5; given corners at +0.5 as well it means one place."""
    starts, ends = ((points[0] + 0.5).tolist() for points in corners(op, x, params))
    return tv.perspective(x, starts, ends, tv.InterpolationMode.BILINEAR)


def kornia_perspective(op: Any, x: Tensor, params: Tensor) -> dict[str, Tensor]:
    return dict(zip(("start_points", "end_points"), corners(op, x, params), strict=True))


GEOMETRY = (
    Case(("random_resized_crop",), {}, crop_with(tv_resize), crop_with(kornia_resize), "without antialiasing"),
    Case(("random_crop",), {}, crop_with(lambda x, side: x), crop_with(lambda x, side: x)),
    Case(("center_crop",), {}, crop_with(lambda x, side: x), crop_with(lambda x, side: x)),
    Case(
        ("rotate",),
        {},
        lambda op, x, a: tv.rotate(x, one(a), tv.InterpolationMode.BILINEAR),
        replayed("RandomRotation", lambda op, x, a: {"degrees": a}, degrees=30.0),
    ),
    Case(
        ("shear",),
        {},
        lambda op, x, a: tv_affine(x, shear=one(a)),
        replayed(
            "RandomShear",
            lambda op, x, a: {"center": centre(x), "shear_x": a, "shear_y": torch.zeros(1)},
            shear=30.0,
            align_corners=True,
        ),
    ),
    Case(
        ("translate",),
        {},
        None,
        replayed(
            "RandomTranslate",
            lambda op, x, a: {"translate_x": a[:, 0] * x.shape[-1], "translate_y": a[:, 1] * x.shape[-2]},
            translate_x=(0.0, 0.1),
            translate_y=(0.0, 0.1),
            align_corners=True,
        ),
        "torchvision shifts by whole pixels",
    ),
    Case(
        ("scale",),
        {},
        lambda op, x, a: tv_affine(x, scale=one(a)),
        replayed("RandomAffine", kornia_affine, degrees=0.0, align_corners=True),
    ),
    Case(
        ("perspective",),
        {},
        tv_perspective,
        replayed("RandomPerspective", kornia_perspective, align_corners=True),
        "torchvision with its corners moved to pixel centres",
    ),
    Case(("horizontal_flip",), {}, lambda op, x, a: tv.hflip(x), lambda op, x, a: transform.hflip(x)),
    Case(("vertical_flip",), {}, lambda op, x, a: tv.vflip(x), lambda op, x, a: transform.vflip(x)),
    Case(
        ("quarter_turn",),
        {},
        lambda op, x, a: tv.rotate(x, 90 * one(a), tv.InterpolationMode.NEAREST),
        replayed("RandomRotation90", lambda op, x, a: {"times": a}, times=(0, 3)),
    ),
    Case(("keep_inside",), {}, note="no such op elsewhere"),
    Case(("patch_pair",), {}, note="no such op elsewhere"),
    Case(("overlap_crop",), {}, note="no such op elsewhere"),
)


def chained(library: str, names: Sequence[str]) -> Reference:
    """The references of one library one after the other, each with an interpolation of its own."""
    cases = {case.ops: case for case in GEOMETRY}

    def reference(ops: Any, x: Tensor, params: Any) -> Tensor:
        for op, name, given in zip(ops, names, params, strict=True):
            x = getattr(cases[(name,)], library)(op, x, given)
        return x

    return reference


CHAIN = ("random_resized_crop", "rotate", "shear", "horizontal_flip")
FUSED = Case(CHAIN, {}, chained("torchvision", CHAIN), chained("kornia", CHAIN), "one warp against four")
