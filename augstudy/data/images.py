"""Images and their licences: any image file -> (3, H, W) uint8 sRGB, and the images a study may call by name."""

import hashlib
import io
import os
import urllib.request
from dataclasses import dataclass, replace
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import platformdirs
import torch
from PIL import Image, ImageOps
from torch import Tensor

from augstudy.core.errors import Unobtainable, UserError, nearest
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
    "sha256_of",
]

MIN_SIDE = 32  # px, of the smallest crop that our networks take
TIMEOUT = 10.0  # s without a byte
ADVICE = "Use another file, or open it in an image editor and save it as 8-bit PNG or JPEG."


@dataclass(frozen=True)
class NamedImage:
    """An image that a study can call by its name.

    Args:
        licence, credit: what must be said where the image is shown.
        package: folder of an installed package that carries `file`, such as `skimage/data`; else it is the user's.
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
        own = [folder / "images" for folder in (data_folder(), cache_folder()) if folder]
        folders = [_package_folder(self.package)] if self.package else own
        path = next((folder / self.file for folder in folders if (folder / self.file).is_file()), None)
        if path and self.sha256:
            self._check(path)
        return path

    def _check(self, path: Path) -> None:
        if (found := sha256_of(path)) != self.sha256:
            raise UserError(
                f"{path} is not image {self.name}: its sha256 is {found}, not {self.sha256}",
                f"Replace it by the file from {self.url}, or delete it; to use it as it is, give its path as the name.",
            )


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


AUTHORS = "https://raw.githubusercontent.com/yukimasano/single-img-extrapolating/master/data_generation/images"
SKIMAGE, SKLEARN = "skimage/data", "sklearn/datasets/images"
NOT_GIVEN = "no licence given, not redistributed"
ASANO = "from the authors of Asano, Rupprecht, Vedaldi, ICLR 2020"
SHA256_A = "e3e1a93fcd743572d5a3fc3ade120df2b1c2495a9adefd698894b7175fc69247"
SHA256_B = "78c2681de2dbfb416fb861ca3ae0a5e21f3f53c56dfc18b276b0feab4ec526aa"
PUBLIC, FREE, CC0, CC_BY = "public domain", "no known copyright restrictions", "CC0 1.0", "CC BY 2.0"

# Licences as stated by the packages themselves: skimage/data/_fetchers.py (each image's docstring) and
# sklearn/datasets/images/README.txt (which credits flower to china's photographer, but links to vultilion's page).
# Pictures they carry without a licence (motorcycle, moon) are left out.
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
    return Path(value).expanduser() if (value := os.environ.get("AUGSTUDY_DATA")) else None


def cache_folder() -> Path:
    """Where downloads are kept: AUGSTUDY_CACHE, else the system's cache folder of this user."""
    return Path(os.environ.get("AUGSTUDY_CACHE") or platformdirs.user_cache_dir("augstudy")).expanduser()


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


def fetch_image(image: NamedImage) -> Path:
    """Download an image of the catalogue into the cache, or find it there.

    Raises:
        UserError: no connection within 10 s, or what came has the wrong checksum.
    """
    if path := image.locate():
        return path
    if image.package:
        what = f"image {image.name!r} is missing: the installed {image.package.split('/')[0]} carries no {image.file}"
        raise Unobtainable(what, "Reinstall that package, name another image, or give the path of an image file.")
    target = cache_folder() / "images" / image.file
    try:
        content = download(image.url)
        if (found := hashlib.sha256(content).hexdigest()) != image.sha256:
            raise OSError(f"what came has sha256 {found}, not {image.sha256}")
        with replacing(target) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        what = f"image {image.name!r} cannot be had: {image.url} ({_one_line(error)})"
        fix = f"Save that file as {target}, or give the path of an image as its name, or set a fallback."
        raise Unobtainable(what, fix) from None
    return target


def download(url: str) -> bytes:
    """What is at `url`; raises OSError when it cannot be had."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            content: bytes = response.read()
    except HTTPException as error:  # a connection that broke off; urllib passes it on as it is
        raise OSError(f"{type(error).__name__}: {error}") from error
    return content


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
        raise UserError(f"{where} is damaged or cut short ({_one_line(error)})", ADVICE) from None
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


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _package_folder(package: str) -> Path:
    """The folder inside an installed package, without importing the package."""
    top, *rest = package.split("/")
    spec = find_spec(top)
    return Path(spec.origin).parent.joinpath(*rest) if spec and spec.origin else Path(top, *rest)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
