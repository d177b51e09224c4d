"""The images that a study may call by name: their licences, where they lie, and how they are fetched."""

import hashlib
import os
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path

import platformdirs

from augstudy.core.errors import Unobtainable, UserError
from augstudy.core.store import replacing

__all__ = [
    "IMAGES",
    "NamedImage",
    "cache_folder",
    "catalogue",
    "data_folder",
    "download",
    "fetch_image",
    "one_line",
    "sha256_of",
]

TIMEOUT = 10.0  # s without a byte


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
    """The user's data folder, from the environment variable AUGSTUDY_DATA; raises UserError when it is none."""
    folder = Path(value).expanduser() if (value := os.environ.get("AUGSTUDY_DATA")) else None
    if folder and not folder.is_dir():
        raise UserError(f"AUGSTUDY_DATA is {folder}, which is no folder", "Name one that is there, or unset it.")
    return folder


def cache_folder() -> Path:
    """Where downloads are kept: AUGSTUDY_CACHE, else the system's cache folder of this user."""
    return Path(os.environ.get("AUGSTUDY_CACHE") or platformdirs.user_cache_dir("augstudy")).expanduser()


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
    except OSError as error:
        what = f"image {image.name!r} cannot be had: {image.url} ({one_line(error)})"
        fix = f"Save that file as {target}, or give the path of an image as its name, or set a fallback."
        raise Unobtainable(what, fix) from None
    with replacing(target) as temporary:  # a full disk is no reason to look at another image
        temporary.write_bytes(content)
    return target


def download(url: str) -> bytes:
    """What is at `url`; raises OSError when it cannot be had."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            content: bytes = response.read()
    except HTTPException as error:  # a connection that broke off; urllib passes it on as it is
        raise OSError(f"{type(error).__name__}: {error}") from error
    return content


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _package_folder(package: str) -> Path:
    """The folder inside an installed package, without importing the package."""
    top, *rest = package.split("/")
    spec = find_spec(top)
    return Path(spec.origin).parent.joinpath(*rest) if spec and spec.origin else Path(top, *rest)


def one_line(error: Exception) -> str:
    """A library's many lines as one."""
    return " ".join(str(error).split()) or type(error).__name__
