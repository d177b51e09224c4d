"""Images and their licences: any image file -> (3, H, W) uint8 sRGB, and the images a study may call by name."""

import hashlib
import io
import os
import urllib.request
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import platformdirs
import torch
from PIL import Image, ImageOps
from torch import Tensor

from augstudy.core.errors import UserError, nearest
from augstudy.core.store import replacing

__all__ = [
    "ImageUsed",
    "NamedImage",
    "cache_folder",
    "catalogue",
    "data_folder",
    "decode_image",
    "fetch_image",
    "find_image",
    "load_image",
]

MIN_SIDE = 32  # px; below this there is not one crop worth the name
TIMEOUT = 10.0  # s without a byte
ADVICE = "Use another file, or open it in an image editor and save it as 8-bit PNG or JPEG."


@dataclass(frozen=True)
class NamedImage:
    """An image that a study can call by name.

    Args:
        name: what the study says.
        file: the file's name, in `package` if that is given, else in the user's folders.
        licence, credit: what must be said where the image is shown.
        package: path inside an installed package that carries the file, such as `skimage/data`.
        url, sha256: where it comes from and what it must be, for an image that no package carries.
    """

    name: str
    file: str
    licence: str
    credit: str
    package: str = ""
    url: str = ""
    sha256: str = ""

    def locate(self) -> Path | None:
        """The file if it is on this machine, else None; never touches the network.

        Raises:
            UserError: a file is there but is not the image with this checksum.
        """
        if self.package:
            path = _package_folder(self.package) / self.file
            return path if path.is_file() else None
        for folder in (data_folder(), cache_folder()):
            path = folder / "images" / self.file if folder else None
            if path and path.is_file():
                self._check(path)
                return path
        return None

    def _check(self, path: Path) -> None:
        found = sha256_of(path)
        if found != self.sha256:
            raise UserError(
                f"{path} is not image {self.name}: its sha256 is {found}, not {self.sha256}",
                f"Replace it by the file from {self.url}, or delete it; to use it as it is, give its path as the name.",
            )


@dataclass(frozen=True)
class ImageUsed:
    """The image that a run really used.

    Args:
        name: the image used; the file's name if it was given as a path.
        asked: what the study asked for.
        path: the file.
        sha256: of the file's bytes.
        licence, credit: what must be said where the image is shown.
    """

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


AUTHORS = "https://raw.githubusercontent.com/yukimasano/single-img-extrapolating/master/data_generation/images"
SKIMAGE, SKLEARN = "skimage/data", "sklearn/datasets/images"
NOT_GIVEN = "no licence given, not redistributed"
ASANO = "from the authors of Asano, Rupprecht, Vedaldi, ICLR 2020"
SHA256_A = "e3e1a93fcd743572d5a3fc3ade120df2b1c2495a9adefd698894b7175fc69247"
SHA256_B = "78c2681de2dbfb416fb861ca3ae0a5e21f3f53c56dfc18b276b0feab4ec526aa"
PUBLIC, FREE, CC0, CC_BY = "public domain", "no known copyright restrictions", "CC0 1.0", "CC BY 2.0"

# Licences as stated by the packages themselves: skimage/data/_fetchers.py (each image's docstring) and
# sklearn/datasets/images/README.txt. Pictures they carry without a licence (motorcycle, moon) are left out.
IMAGES = (
    NamedImage("A", "image_a.jpg", NOT_GIVEN, f"mural of many animals, {ASANO}", "", f"{AUTHORS}/img_a.jpg", SHA256_A),
    NamedImage("B", "image_b.jpg", NOT_GIVEN, f"market street in Tokyo, {ASANO}", "", f"{AUTHORS}/img_b.jpg", SHA256_B),
    NamedImage("astronaut", "astronaut.png", PUBLIC, "NASA", SKIMAGE),
    NamedImage("brick", "brick.png", CC0, "CC0Textures, Bricks25", SKIMAGE),
    NamedImage("camera", "camera.png", CC0, "Lav Varshney", SKIMAGE),
    NamedImage("chelsea", "chelsea.png", CC0, "Stefan van der Walt", SKIMAGE),
    NamedImage("china", "china.jpg", CC_BY, "danielbuechele on Flickr, photo 6061409035", SKLEARN),
    NamedImage("coffee", "coffee.png", CC0, "Rachel Michetti, courtesy of Pikolo Espresso Bar", SKIMAGE),
    NamedImage("coins", "coins.png", FREE, "Brooklyn Museum Collection", SKIMAGE),
    NamedImage("flower", "flower.jpg", CC_BY, "vultilion on Flickr, photo 6056698931", SKLEARN),
    NamedImage("grass", "grass.png", CC0, "linolafett on DeviantArt, Grass 01", SKIMAGE),
    NamedImage("gravel", "gravel.png", CC0, "CC0Textures, Gravel04", SKIMAGE),
    NamedImage("hubble", "hubble_deep_field.jpg", PUBLIC, "NASA, HubbleSite", SKIMAGE),
    NamedImage("ihc", "ihc.png", FREE, "Center for Microscopy and Molecular Imaging (CMMI)", SKIMAGE),
    NamedImage("retina", "retina.jpg", CC0, "Mikael Häggström, Wikimedia Commons", SKIMAGE),
    NamedImage("rocket", "rocket.jpg", PUBLIC, "SpaceX", SKIMAGE),
)


def catalogue() -> list[NamedImage]:
    """The images known by name: first those of the papers, then those that installed packages carry."""
    return list(IMAGES)


def data_folder() -> Path | None:
    """The user's data folder, from the environment variable AUGSTUDY_DATA."""
    value = os.environ.get("AUGSTUDY_DATA", "")
    return Path(value).expanduser() if value else None


def cache_folder() -> Path:
    """Where downloads are kept: AUGSTUDY_CACHE, else the system's cache folder of this user."""
    value = os.environ.get("AUGSTUDY_CACHE", "")
    return Path(value).expanduser() if value else Path(platformdirs.user_cache_dir("augstudy"))


def find_image(name: str, fallback: str | None = None) -> ImageUsed:
    """The file of an image given by name or path.

    Args:
        name: a name of the catalogue, or the path of an image file.
        fallback: the name or path to use if the image cannot be had. A mistake (an unknown name, a path where
            nothing is, a file with the wrong checksum) is an error all the same.

    Raises:
        UserError: the name is unknown, or the image cannot be had and there is no fallback.
    """
    known = {image.name: image for image in IMAGES}
    if name not in known:
        return _file_used(name, list(known))
    image = known[name]
    try:
        path = image.locate() or fetch_image(image)
    except Unobtainable:
        if fallback is None:
            raise
        used = find_image(fallback)
        return ImageUsed(used.name, name, used.path, used.sha256, used.licence, used.credit)
    return ImageUsed(name, name, path, sha256_of(path), image.licence, image.credit)


def _file_used(name: str, known: list[str]) -> ImageUsed:
    path = Path(name).expanduser()
    if path.is_file():
        return ImageUsed(path.name, path.name, path, sha256_of(path), "not known", "not known")
    if path.name != name:
        raise UserError(f"there is no image file {path}", "Give the path of an image file, or a name of the catalogue.")
    raise UserError(f"unknown image {name!r}, and no file of that name here", nearest(name, known))


class Unobtainable(UserError):
    """The image is known but cannot be had on this machine now: what a fallback is for."""


def fetch_image(image: NamedImage) -> Path:
    """Download an image of the catalogue into the cache, or find it there.

    Raises:
        UserError: no connection within 10 s, or what came has the wrong checksum.
    """
    if found := image.locate():
        return found
    if image.package:
        raise Unobtainable(
            f"image {image.name!r} is missing: the installed {image.package.split('/')[0]} carries no {image.file}",
            "Reinstall that package, name another image, or give the path of an image file.",
        )
    target = cache_folder() / "images" / image.file
    try:
        content = download(image.url)
        found_sha256 = hashlib.sha256(content).hexdigest()
        if found_sha256 != image.sha256:
            raise OSError(f"what came has sha256 {found_sha256}, not {image.sha256}")
        with replacing(target) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise Unobtainable(
            f"image {image.name!r} cannot be had: {image.url} ({_one_line(error)})",
            f"Save that file as {target}, or give the path of an image as its name, or set a fallback.",
        ) from None
    return target


def download(url: str) -> bytes:
    """What is at `url`; raises OSError when it cannot be had."""
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
        content: bytes = response.read()
    return content


def load_image(path: Path) -> Tensor:
    """Read an image file as (3, H, W) uint8 sRGB.

    EXIF orientation is applied; transparency is laid on white; grey becomes three equal channels; 16 bits are scaled
    to 8; CMYK is converted; of an animation the first frame is taken; embedded colour profiles are ignored, as
    torchvision does.

    Raises:
        UserError: the file is missing, unreadable, truncated, no image, smaller than 32 px on a side, or larger than
            Pillow's decompression-bomb limit; its first line names the file.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror})", "Give the path of a readable image file."
        ) from None
    return decode_image(content, str(path), MIN_SIDE)


def decode_image(content: bytes, where: str, min_side: int = 1) -> Tensor:
    """The bytes of an image file -> (3, H, W) uint8 sRGB, as in load_image.

    Args:
        where: the file, or file and row, for the error.
        min_side: px; smaller images are refused.

    Raises:
        UserError: as load_image.
    """
    if not content:
        raise UserError(f"{where} is empty (0 bytes)", "Copy or download the file again.")
    try:
        with Image.open(io.BytesIO(content)) as image:
            _check_size(image, where, min_side)
            pixels = _to_rgb(ImageOps.exif_transpose(image), where)
    except Image.UnidentifiedImageError:
        raise UserError(f"{where} is not an image in a format that Pillow can read", ADVICE) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(where) from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError) as error:  # what Pillow's decoders raise
        raise UserError(f"{where} is damaged or cut short ({_one_line(error)})", ADVICE) from None
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()  # (H, W, 3) -> (3, H, W)


def _check_size(image: Image.Image, where: str, min_side: int) -> None:
    # Between its limit and twice its limit Pillow only warns; a warning would be lost in a long job.
    if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise _too_large(where)
    if min(image.size) < min_side:
        size = f"{image.width}x{image.height} px"
        raise UserError(f"{where} is too small: {size}", f"Use an image of at least {min_side} px on each side.")


def _too_large(where: str) -> UserError:
    limit = Image.MAX_IMAGE_PIXELS or 0
    return UserError(
        f"{where} has more than {limit / 1e6:.0f} million pixels (Pillow's decompression-bomb limit)",
        "Scale the image down first.",
    )


def _to_rgb(image: Image.Image, where: str) -> np.ndarray:
    """(H, W, 3) uint8."""
    if image.mode.startswith(("I", "F")):
        grey = _to_8_bit(np.asarray(image), where)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"))


def _to_8_bit(grey: np.ndarray, where: str) -> np.ndarray:
    """16-bit integers, or floats in [0, 1], scaled to 8 bits: Pillow's own conversion would clip them."""
    top = 1.0 if grey.dtype.kind == "f" else 65535.0
    if not (grey.min() >= 0 and grey.max() <= top):  # also false for NaN
        raise UserError(f"{where} has pixel values outside 0 to {top:g}, so their scale is unknown", ADVICE)
    return np.rint(grey.astype(np.float64) * (255 / top)).astype(np.uint8)


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


@cache
def _package_folder(package: str) -> Path:
    """The folder inside an installed package, without importing the package."""
    top, *rest = package.split("/")
    spec = find_spec(top)
    return Path(spec.origin).parent.joinpath(*rest) if spec and spec.origin else Path(top, *rest)


def _one_line(error: Exception) -> str:
    return str(error).strip().replace("\n", " ") or type(error).__name__
