"""Colours as an embedded ICC profile means them -> sRGB, by LittleCMS through Pillow."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from augstudy.core.notes import say_once

__all__ = ["is_srgb", "to_srgb"]

SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab"}  # Pillow's mode -> the profile's colour space
STEPS = 17  # levels a channel at which a profile is compared with sRGB
ROUNDING = 2  # of 255: two makes of the sRGB profile differ by 1
KEPT = 64  # transforms; a set of photographs has a handful of profiles


def to_srgb(image: Image.Image, profile: bytes | None, where: str) -> Image.Image:
    """An image in mode RGB, L, CMYK or LAB -> sRGB in mode RGB (or L, where grey has no profile).

    Relative colorimetric with black point compensation. Where the profile is sRGB the pixels stay as they are, to the
    last bit. A profile that cannot be read, or is of another colour space, is ignored, which is said once.

    Args:
        profile: the bytes of the ICC profile; None means sRGB, and Pillow's plain formula for CMYK.
        where: the file, for the note.
    """
    if image.mode == "L" and profile and _space(profile) == "RGB":  # as many programs save grey
        image = image.convert("RGB")
    if image.mode == "LAB":
        return ImageCms.applyTransform(image, _lab())
    if profile:
        try:
            transform = _transform(profile, image.mode)
        except (ImageCms.PyCMSError, OSError, ValueError) as error:
            text = f"{where} has a colour profile that does not fit it, which is ignored ({error})"
            say_once("profile", f"{' '.join(text.split())}; said once for all such images")
        else:
            return ImageCms.applyTransform(image, transform) if transform else image.convert("RGB")
    return image if image.mode == "L" else image.convert("RGB")


def is_srgb(profile: bytes | None, mode: str) -> bool:
    """Whether pixels of this mode are taken as they are under a profile."""
    try:
        return not profile or _transform(profile, mode) is None
    except (ImageCms.PyCMSError, OSError, ValueError):
        return True


@lru_cache(KEPT)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None where the profile is sRGB by its numbers, whatever it is called."""
    if mode not in SPACES or _space(profile) != SPACES[mode]:
        raise ValueError(f"a profile for {_space(profile) or 'no known colours'} in an image in {mode}")
    made = ImageCms.buildTransform(
        ImageCms.getOpenProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION | (ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE),
    )
    if mode == "CMYK":
        return made
    grid = _grid(mode)
    changed = np.asarray(ImageCms.applyTransform(grid, made)).astype(int) - np.asarray(grid.convert("RGB"))
    return made if np.abs(changed).max() > ROUNDING else None


@lru_cache(KEPT)
def _space(profile: bytes) -> str:
    """The colour space that a profile is for, such as RGB; "" where it cannot be read."""
    try:
        return ImageCms.getOpenProfile(io.BytesIO(profile)).profile.xcolor_space.strip()
    except (ImageCms.PyCMSError, OSError, ValueError):
        return ""


@lru_cache(1)
def _lab() -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")


def _grid(mode: str) -> Image.Image:
    """All colours of `STEPS` levels a channel."""
    levels = np.linspace(0, 255, STEPS).round().astype(np.uint8)
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    return Image.fromarray(np.stack(np.meshgrid(levels, levels, levels), -1).reshape(STEPS, -1, 3))
