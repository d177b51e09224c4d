"""Any image file -> (3, H, W) uint8 sRGB, and the file of an image given by name or path."""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from augstudy.core.errors import Unobtainable, UserError, nearest
from augstudy.data.catalogue import IMAGES, fetch_image, one_line, sha256_of

__all__ = ["ImageUsed", "decode_image", "find_image", "load_image", "size_of"]

MIN_SIDE = 32  # px, of the smallest crop that our networks take
ADVICE = "Use another file, or open it in an image editor and save it as 8-bit PNG or JPEG."


@dataclass(frozen=True)
class ImageUsed:
    """The image that a run really used (its `name` is the file's if a path was given), and the one `asked` for."""

    name: str
    asked: str
    path: Path
    sha256: str
    licence: str
    credit: str

    @property
    def label(self) -> str:
        """The name for tables and captions, which tells of a substitution."""
        return self.name if self.name == self.asked else f"{self.name} (fallback for {self.asked})"


def find_image(name: str, fallback: str | None = None) -> ImageUsed:
    """The file of an image given by name or path.

    Args:
        name: a name of the catalogue, or the path of an image file.
        fallback: the name or path to use if the image cannot be had. A mistake (an unknown name, a path where
            nothing is, a file with the wrong checksum) is an error all the same.

    Raises:
        UserError: the name is unknown, or the image cannot be had and there is no fallback.
    """
    image = next((image for image in IMAGES if image.name == name), None)
    if image is None:
        return _file_used(name)
    try:
        path = image.locate() or fetch_image(image)
    except Unobtainable:
        if fallback is None:
            raise
        return replace(find_image(fallback), asked=name)
    return ImageUsed(name, name, path, sha256_of(path), image.licence, image.credit)


def _file_used(name: str) -> ImageUsed:
    path = Path(name).expanduser()
    if path.is_file():
        return ImageUsed(path.name, path.name, path, sha256_of(path), "not known", "not known")
    if path.name != name:
        raise UserError(f"there is no image file {path}", "Give the path of an image file, or a name of the catalogue.")
    raise UserError(f"unknown image {name!r}, and no file of that name here", nearest(name, [i.name for i in IMAGES]))


def load_image(path: Path) -> Tensor:
    """Read an image file as (3, H, W) uint8 sRGB.

    EXIF orientation is applied; transparency is laid on white; 16 bits are scaled to 8; grey and CMYK are converted;
    of an animation the first frame is taken; embedded colour profiles are ignored, as torchvision does.

    Raises:
        UserError: the file is missing, unreadable, truncated, no image, smaller than 32 px on a side, or larger than
            Pillow's decompression-bomb limit; its first line names the file.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})", "Give the path of an image file.") from None
    return decode_image(content, str(path), MIN_SIDE)


def size_of(path: Path) -> tuple[int, int]:
    """(height, width) in pixels, from the head of the file; a turn that its EXIF asks for is not made.

    Raises:
        UserError: as load_image.
    """
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except Exception:  # whatever is wrong with it, load_image says it better
        height, width = load_image(path).shape[-2:]
        return height, width


def decode_image(content: bytes, where: str, min_side: int = 1) -> Tensor:
    """The bytes of an image file -> (3, H, W) uint8 sRGB, converted and refused as by load_image.

    Args:
        where: the file, or file and row, for the error.
        min_side: px; smaller images are refused.
    """
    if not content:
        raise UserError(f"{where} is empty (0 bytes)", "Copy or download the file again.")
    try:
        with Image.open(io.BytesIO(content)) as image:
            _check_size(image, where, min_side)
            pixels = _to_rgb(ImageOps.exif_transpose(image), where)
    except UserError:
        raise
    except Image.UnidentifiedImageError:
        raise UserError(f"{where} is not an image in a format that Pillow can read", ADVICE) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(where) from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, zlib.error and more
        raise UserError(f"{where} is damaged or cut short ({one_line(error)})", ADVICE) from None
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()  # (H, W, 3) -> (3, H, W)


def _check_size(image: Image.Image, where: str, min_side: int) -> None:
    # Between its limit and twice its limit Pillow only warns; a warning would be lost in a long job.
    if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise _too_large(where)
    if min(image.size) < min_side:
        what = f"{where} is too small: {image.width}x{image.height} px"
        raise UserError(what, f"Use an image of at least {min_side} px on each side.")


def _too_large(where: str) -> UserError:
    limit = f"{(Image.MAX_IMAGE_PIXELS or 0) / 1e6:.0f} million pixels (Pillow's decompression-bomb limit)"
    return UserError(f"{where} has more than {limit}", "Scale the image down first.")


def _to_rgb(image: Image.Image, where: str) -> np.ndarray:
    """(H, W, 3) uint8."""
    if image.mode.startswith(("I", "F")):
        return np.repeat(_to_8_bit(np.asarray(image), where)[:, :, None], 3, axis=2)
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


def _to_8_bit(grey: np.ndarray, where: str) -> np.ndarray:
    """16-bit integers, or floats in [0, 1], scaled to 8 bits: Pillow's own conversion would clip them."""
    top = 1.0 if grey.dtype.kind == "f" else 65535.0
    if not (grey.min() >= 0 and grey.max() <= top):  # also false for NaN
        raise UserError(f"{where} has pixel values outside 0 to {top:g}, so their scale is unknown", ADVICE)
    return np.rint(grey.astype(np.float64) * (255 / top)).astype(np.uint8)
