"""The colour ops and the filters with torchvision's and kornia's functions."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from kornia import augmentation, color, enhance
from kornia.filters import gaussian_blur2d
from torch import Tensor
from torchvision.transforms.v2 import functional as tv

from augstudy.bench.references.case import Case, Reference, one
from augstudy.core import rng

__all__ = ["COLOUR", "FILTERS"]


TV_STEPS = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)
KORNIA_STEPS = (
    enhance.adjust_brightness_accumulative,
    enhance.adjust_contrast_with_mean_subtraction,
    enhance.adjust_saturation_with_gray_subtraction,
    lambda x, turns: enhance.adjust_hue(x, turns * 2 * torch.pi),
)


def jitter_with(steps: Sequence[Callable[[Tensor, float], Tensor]]) -> Reference:
    """Four steps in the order drawn."""

    def reference(op: Any, x: Tensor, params: Tensor) -> Tensor:
        for step in params[0, 4:].long().tolist():
            x = steps[step](x, float(params[0, step])).clamp(0, 1)
        return x

    return reference


def blur_with(blur: Callable[[Tensor, int, float], Tensor]) -> Reference:
    return lambda op, x, params: blur(x, max(3, min(x.shape[-2:]) // 10 | 1), one(params))


def erase(op: Any, x: Tensor, params: Tensor) -> Tensor:
    top, left, h, w = op.boxes(params, *x.shape[-2:])[0].long().tolist()
    return tv.erase(x, top, left, h, w, torch.full((1, 1, 1), op.value))


def kornia_space(op: Any, x: Tensor, params: Tensor) -> Tensor:
    """kornia's numbers scaled as ours are."""
    y = getattr(color, f"rgb_to_{op.space}")(x)
    bounds = {
        "hsv": ((0, 0, 0), (2 * torch.pi, 1, 1)),
        "lab": ((0, -86.1830, -107.8602), (100, 98.2332, 94.4782)),
        "ycbcr": ((0, 0, 0), (1, 1, 1)),
        "yuv": ((0, -0.436, -0.615), (1, 0.436, 0.615)),
    }
    low, high = (torch.tensor(ends)[:, None, None] for ends in bounds[op.space])
    return ((y - low) / (high - low)).clamp(0, 1)


def seeded(op: Any, x: Tensor, params: Tensor) -> Tensor:
    high, low = (params[0] * 2**24).long().tolist()
    with rng.torch_seeded(high << 24 | low, f"kornia/{op.name}"):
        return getattr(augmentation, op.name)(p=1.0)(x)


def kornia_jigsaw(op: Any, x: Tensor, params: Tensor) -> Tensor:
    """kornia numbers the places by columns, ours are numbered by rows."""
    order = params.long().view(1, op.tiles, op.tiles).mT.flatten(1)
    return augmentation.RandomJigsaw((op.tiles, op.tiles), p=1.0).apply_transform(x, {"permutation": order})


COLOUR = (
    Case(("color_jitter",), {}, jitter_with(TV_STEPS), jitter_with(KORNIA_STEPS), "in the order drawn"),
    Case(
        ("grayscale",),
        {},
        lambda op, x, a: tv.rgb_to_grayscale(x, 3),
        lambda op, x, a: color.rgb_to_grayscale(x).expand_as(x),
    ),
    Case(("solarize",), {}, lambda op, x, a: tv.solarize(x, 0.5), lambda op, x, a: enhance.solarize(x, 0.5)),
    Case(
        ("posterize",),
        {},
        lambda op, x, a: tv.posterize(x, 4),
        None,
        "kornia cuts to 8 bits first; on 8-bit pixels it is within 1/255",
    ),
    Case(("invert",), {}, lambda op, x, a: tv.invert(x), lambda op, x, a: enhance.invert(x)),
    Case(
        ("gamma",),
        {},
        lambda op, x, a: tv.adjust_gamma(x, one(a)),
        lambda op, x, a: enhance.adjust_gamma(x, one(a)),
    ),
    Case(
        ("equalize",),
        {},
        lambda op, x, a: tv.equalize(x),
        lambda op, x, a: enhance.equalize((x * (256 - 1e-3)).floor() / 255),
        "kornia given the 8-bit pixels that torchvision makes",
    ),
    Case(("auto_contrast",), {}, lambda op, x, a: tv.autocontrast(x), lambda op, x, a: enhance.normalize_min_max(x)),
    Case(("linear_rgb",), {}, note="no such op elsewhere"),
    Case(("principal_contrast",), {}, note="no such op elsewhere"),
    Case(("saturation_value",), {}, note="no such op elsewhere"),
    *(Case(("color_space",), {"space": name}, None, kornia_space, name) for name in ("hsv", "lab", "ycbcr", "yuv")),
    Case(("channels",), {}, note="copies or fills"),
)
FILTERS = (
    Case(
        ("gaussian_blur",),
        {},
        blur_with(lambda x, k, s: tv.gaussian_blur(x, [k, k], [s, s])),
        blur_with(lambda x, k, s: gaussian_blur2d(x, (k, k), (s, s), border_type="reflect")),
    ),
    Case(
        ("sharpness",),
        {},
        lambda op, x, a: tv.adjust_sharpness(x, one(a)),
        lambda op, x, a: enhance.sharpness(x, one(a)),
    ),
    Case(
        ("low_pass",),
        {},
        lambda op, x, a: tv.gaussian_blur(x, [7, 7], [1.0, 1.0]),
        lambda op, x, a: gaussian_blur2d(x, (7, 7), (1.0, 1.0), border_type="reflect"),
    ),
    Case(
        ("high_pass",),
        {},
        lambda op, x, a: 0.5 + (x - tv.gaussian_blur(x, [7, 7], [1.0, 1.0])) / 2,
        lambda op, x, a: 0.5 + (x - gaussian_blur2d(x, (7, 7), (1.0, 1.0), border_type="reflect")) / 2,
        "what their blur takes away",
    ),
    Case(("gaussian_noise",), {}, note="the law is compared, in the tests: the noise is keyed"),
    Case(("erasing",), {}, erase, None, "kornia places boxes by another law"),
    Case(("jigsaw",), {"tiles": 4}, None, kornia_jigsaw, "its places renumbered by rows"),
    Case(("kornia",), {"name": "RandomPlasmaShadow"}, None, seeded, "the class itself from the same seed"),
)
