"""An image file of any mode, opened safely -> (H, W, 3) uint8 sRGB."""

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features

from augstudy.core.errors import UserError
from augstudy.core.notes import say_once
from augstudy.data.catalogue import one_line
from augstudy.data.profiles import to_srgb

__all__ = ["opened", "pixel_limit", "pixels_of", "reading"]

ADVICE = "Use another file, or open it in an image editor and save it as 8-bit PNG or JPEG."
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "PPM", "TIFF", "WEBP", "AVIF", "JPEG2000", "HEIF")
LIMIT = "AUGSTUDY_MAX_PIXELS"
BYTES = 30  # of memory for each pixel whose crops are cut: itself and its pyramid
ORIENTATION = 0x0112  # the tag of EXIF
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
HEIC = (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1", b"ftyphevc")  # brands at byte 4; `mif1` may be either

Source = bytes | Path


@contextmanager
def opened(source: Source, where: str, min_side: int = 1) -> Iterator[Image.Image]:
    """An image with its head read, not its pixels.

    Only formats of pictures are tried: Pillow would hand PostScript, whatever its ending, to Ghostscript.

    Args:
        min_side: px; smaller images are refused.

    Raises:
        UserError: it is none, or too small, or has more pixels than the limit. Names `where`.
    """
    limit = pixel_limit()
    if os.environ.get(LIMIT):  # Pillow's own limit must not stand in the way of a larger one
        Image.MAX_IMAGE_PIXELS = max(limit, Image.MAX_IMAGE_PIXELS or limit)
    try:
        image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_formats())
    except Image.UnidentifiedImageError:
        raise _unknown(source, where) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        found = re.search(r"\d+", str(error))
        raise _too_large(where, f"{int(found[0]):,}" if found else "too many", limit) from None
    with image:
        if image.width * image.height > limit:
            raise _too_large(where, f"{image.width} x {image.height}", limit)
        if min(image.size) < min_side:
            what = f"{where} is too small: {image.width}x{image.height} px"
            raise UserError(what, f"Use an image of at least {min_side} px on each side.")
        yield image


@contextmanager
def reading(where: str) -> Iterator[None]:
    """Whatever a decoder raises on a damaged file, as a UserError that names it."""
    try:
        yield
    except UserError:
        raise
    except MemoryError:
        raise UserError(f"{where} does not fit into memory", "Scale the image down first.") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, zlib.error and more
        if isinstance(error, OSError) and error.errno:  # of the system, not of a decoder
            raise UserError(f"{where} cannot be read ({error.strerror})", "Mend it, or take it out.") from None
        raise UserError(f"{where} is damaged or cut short ({one_line(error)})", ADVICE) from None


def pixel_limit() -> int:
    """The most pixels that an image may have: AUGSTUDY_MAX_PIXELS, else Pillow's limit of 89 million.

    Raises:
        UserError: the variable is no whole number from 1 on.
    """
    said = os.environ.get(LIMIT)
    if not said:
        return Image.MAX_IMAGE_PIXELS or sys.maxsize
    if not said.isascii() or not said.isdigit() or not 0 < len(said) < 19 or int(said) < 1:
        raise UserError(f"{LIMIT} is {said!r}, which is no whole number from 1 on", "Give a number of pixels.")
    return int(said)


def pixels_of(image: Image.Image, where: str, profile: bool = True) -> np.ndarray[Any, Any]:
    """The pixels of an opened image as it is to be seen: (H, W, 3) uint8.

    Args:
        profile: whether an embedded colour profile is followed.
    """
    image.load()
    icc = image.info.get("icc_profile") if profile else None
    turn = TURNS.get(_orientation(image))
    colour, alpha = _parts(image, where)
    colour = to_srgb(colour, icc, where)
    if alpha is not None:
        colour = colour.convert("RGB")
        colour.putalpha(alpha)
        colour = Image.alpha_composite(Image.new("RGBA", colour.size, "white"), colour)
    if turn is not None:
        colour = colour.transpose(turn)
    _tell_frames(image, where)
    return np.array(colour.convert("RGB"))


def _parts(image: Image.Image, where: str) -> tuple[Image.Image, Image.Image | None]:
    """The colours in mode RGB, L, CMYK or LAB, and how opaque they are (L), if not everywhere."""
    mode, clear = image.mode, image.info.get("transparency")
    if mode.startswith(("I", "F")):
        values = np.asarray(image)
        alpha = Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)) if isinstance(clear, int) else None
        return Image.fromarray(_to_8_bit(values, where)), alpha
    if mode in ("LA", "La") or (mode in ("1", "L") and clear is not None):
        grey, alpha = image.convert("LA").split()
        return grey, alpha
    if mode in ("RGBA", "RGBa", "PA") or clear is not None:
        image = image.convert("RGBA")
        return image.convert("RGB"), image.getchannel("A")
    if mode == "1":
        return image.convert("L"), None
    return image if mode in ("L", "CMYK", "LAB") else image.convert("RGB"), None


def _to_8_bit(grey: np.ndarray[Any, Any], where: str) -> np.ndarray[Any, Any]:
    """16-bit integers, or floats in [0, 1], scaled to 8 bits: Pillow's own conversion would clip them."""
    top = 1.0 if grey.dtype.kind == "f" else 65535.0
    if not (grey.min() >= 0 and grey.max() <= top):  # also false for NaN
        raise UserError(f"{where} has pixel values outside 0 to {top:g}, so their scale is unknown", ADVICE)
    if grey.dtype.kind != "f":
        return np.rint(np.arange(65536) * (255 / 65535)).astype(np.uint8)[grey]
    return np.stack([np.rint(row.astype(np.float64) * 255).astype(np.uint8) for row in grey])


def _orientation(image: Image.Image) -> int:
    """As EXIF has it, 1 to 8; a damaged EXIF block says nothing, for the pixels are sound."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # of the parsers of EXIF and XMP, as many kinds as of decoders
        return 1


def _tell_frames(image: Image.Image, where: str) -> None:
    try:
        several = getattr(image, "is_animated", False)
    except Exception:  # the second frame is damaged; the first is already read
        several = True
    if several:
        say_once("frames", f"{where} holds several pictures: the first is used; said once for all such files")


@cache
def _formats() -> list[str]:
    """Those of `FORMATS` that can be read here; HEIC is, where pillow-heif is installed."""
    if find_spec("pillow_heif"):
        import_module("pillow_heif").register_heif_opener()
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _unknown(source: Source, where: str) -> UserError:
    head = source[:12] if isinstance(source, bytes) else _head(source)
    if not head:
        return UserError(f"{where} is empty (0 bytes)", "Copy or download the file again.")
    if head[4:] == b"ftypavif" and not features.check("avif"):
        what = f"{where} is an AVIF image, for which this Pillow has no decoder"
        return UserError(what, "Install Pillow 11.3 or later.")
    if head[4:] in HEIC and "HEIF" not in _formats():
        return UserError(f"{where} is a HEIC image, for which no decoder is installed", "pip install 'augstudy[heic]'")
    return UserError(f"{where} is not an image in a format that Pillow can read", ADVICE)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(12)


def _too_large(where: str, size: str, limit: int) -> UserError:
    what = f"{where} has more pixels ({size}) than the limit of {limit:,} that guards against decompression bombs"
    return UserError(
        what, f"Scale it down, or set {LIMIT} higher; cutting crops takes {BYTES} bytes of memory a pixel."
    )
