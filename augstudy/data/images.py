"""Any image file -> (3, H, W) uint8 sRGB, and the file of an image given by name or path."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from augstudy.core.errors import Unobtainable, UserError, nearest
from augstudy.data.catalogue import IMAGES, fetch_image, sha256_of
from augstudy.data.decoding import opened, pixels_of, reading
from augstudy.data.profiles import is_srgb

__all__ = ["MIN_SIDE", "ImageUsed", "content_of", "decode_image", "find_image", "load_image", "size_of"]

MIN_SIDE = 32  # px, of the smallest crop that our networks take


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

    @property
    def content(self) -> str:
        """What names its pixels (see `content_of`)."""
        return content_of(self.path, self.sha256)


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


def load_image(path: Path, profile: bool = True) -> Tensor:
    """Read an image file as (3, H, W) uint8 sRGB.

    EXIF orientation is applied; transparency is laid on white; 16 bits are scaled to 8; grey, CMYK and Lab are
    converted; an embedded colour profile is followed, one that is broken is not; of several pictures in a file the
    first is taken. docs/inputs.md has all of it in a table.

    Args:
        profile: False leaves the numbers as they are under an RGB or grey profile.

    Raises:
        UserError: the file is missing, unreadable, truncated, no image, smaller than 32 px on a side, or has more
            pixels than AUGSTUDY_MAX_PIXELS, else than Pillow's decompression-bomb limit; its first line names the file.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})", "Give the path of an image file.") from None
    return decode_image(content, str(path), MIN_SIDE, profile)


def size_of(path: Path) -> tuple[int, int]:
    """(height, width) in pixels, from the head of the file; a turn that its EXIF asks for is not made.

    Raises:
        UserError: as load_image.
    """
    try:
        with reading(str(path)), opened(Path(path), str(path)) as image:
            return image.height, image.width
    except UserError:  # whatever is wrong with it, load_image says it better
        height, width = load_image(path).shape[-2:]
        return height, width


def decode_image(content: bytes, where: str, min_side: int = 1, profile: bool = True) -> Tensor:
    """The bytes of an image file -> (3, H, W) uint8 sRGB, converted and refused as by load_image.

    Args:
        where: the file, or file and row, for the error.
        min_side: px; smaller images are refused.
    """
    with reading(where), opened(content, where, min_side) as image:
        pixels = pixels_of(image, where, profile)
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()  # (H, W, 3) -> (3, H, W)


def content_of(path: Path, sha256: str) -> str:
    """What names the pixels that load_image reads from a file: its sha256, and whether its colours are converted.

    Files whose profile is sRGB, or that have none, are named by their sha256 alone, as before profiles were followed.
    """
    try:
        with reading(str(path)), opened(path, str(path)) as image:
            plain = is_srgb(image.info.get("icc_profile"), image.mode)
    except UserError:  # it is said where its pixels are read
        return sha256
    return sha256 if plain else f"{sha256} to sRGB"
