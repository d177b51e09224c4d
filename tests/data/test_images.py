"""Any image file becomes (3, H, W) uint8; a name finds its image, its licence and, if need be, its fallback."""

import hashlib
import io
import urllib.request
from dataclasses import replace
from http.client import IncompleteRead
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from augstudy.core.errors import UserError
from augstudy.data import catalogue as book
from augstudy.data import images
from augstudy.data.catalogue import catalogue, data_folder, fetch_image
from augstudy.data.images import find_image, load_image

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
DOWNLOAD = book.download  # before the room's fixture replaces it


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def two_lines(error: pytest.ExceptionInfo[UserError], name: str) -> str:
    """The error's text, after checking that it has two lines and that the first names the file."""
    first, second = str(error.value).split("\n")
    assert name in first
    assert second
    return first


def test_rgb_is_read_as_it_is(tmp_path):
    x = load_image(saved(tmp_path / "a.png", Image.fromarray(PIXELS)))
    assert x.dtype == torch.uint8
    assert x.shape == (3, 40, 50)
    assert np.array_equal(x.permute(1, 2, 0), PIXELS)


@pytest.mark.parametrize(
    ("mode", "suffix"), [("1", "png"), ("L", "png"), ("P", "gif"), ("CMYK", "tif"), ("YCbCr", "tif")]
)
def test_white_stays_white_in_every_mode(tmp_path, mode, suffix):
    x = load_image(saved(tmp_path / f"a.{suffix}", Image.new("RGB", (50, 40), "white").convert(mode)))
    assert x.shape == (3, 40, 50)
    assert x.min() == 255


def test_cmyk_jpeg_has_its_colours(tmp_path):
    red = Image.new("CMYK", (40, 40), (0, 255, 255, 0))
    x = load_image(saved(tmp_path / "a.jpg", red)).float().mean((1, 2))
    assert x[0] > 240
    assert x[1:].max() < 15


def half_transparent(mode: str) -> tuple[Image.Image, dict[str, int]]:
    """Black, its right half transparent, and the options that save it so."""
    if mode == "P":
        palette = Image.fromarray(np.repeat([[0] * 20 + [1] * 20], 40, 0).astype(np.uint8))
        palette.putpalette([0, 0, 0, 9, 9, 9])
        return palette, {"transparency": 1}
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 20, 40))
    return image.convert(mode), {}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_white(tmp_path, mode):
    image, options = half_transparent(mode)
    x = load_image(saved(tmp_path / "a.png", image, **options))
    assert x[:, :, :20].max() == 0
    assert x[:, :, 20:].min() == 255


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_are_scaled_not_clipped(tmp_path, suffix):
    ramp = np.linspace(0, 65535, 40 * 40).reshape(40, 40).astype(np.uint16)
    x = load_image(saved(tmp_path / f"a.{suffix}", Image.fromarray(ramp)))
    assert np.array_equal(x[0], np.rint(ramp / 257).astype(np.uint8))
    assert torch.equal(x[0], x[1])
    assert torch.equal(x[0], x[2])


def test_floats_in_unit_range_are_scaled_and_others_refused(tmp_path):
    ramp = np.linspace(0, 1, 1600, dtype=np.float32).reshape(40, 40)
    assert load_image(saved(tmp_path / "a.tif", Image.fromarray(ramp))).max() == 255
    with pytest.raises(UserError, match="outside 0 to 1") as error:
        load_image(saved(tmp_path / "b.tif", Image.fromarray(ramp * 1000)))
    two_lines(error, "b.tif")


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn a quarter clockwise to show
    x = load_image(saved(tmp_path / "a.png", Image.fromarray(PIXELS), exif=exif))
    assert np.array_equal(x.permute(1, 2, 0), np.rot90(PIXELS, -1))


def jpeg_bytes() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "JPEG")
    return buffer.getvalue()


def png_bytes() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"this is a letter, not a picture", "not an image"),
        (jpeg_bytes()[:700], "damaged or cut short"),
        (jpeg_bytes()[: len(jpeg_bytes()) // 2], "damaged or cut short"),
        (png_bytes()[: len(png_bytes()) // 2], "damaged or cut short"),
        (png_bytes()[:60] + b"\0" * 40 + png_bytes()[100:], "damaged or cut short"),
    ],
)
def test_broken_files_are_named(tmp_path, content, what):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    with pytest.raises(UserError, match=what) as error:
        load_image(path)
    two_lines(error, "holiday.jpg")


def test_small_missing_and_folders_are_named(tmp_path):
    saved(tmp_path / "dot.png", Image.new("RGB", (1, 1)))
    for name, what in (("dot.png", "too small: 1x1 px"), ("none.png", "cannot be read"), (".", "cannot be read")):
        with pytest.raises(UserError, match=what) as error:
            load_image(tmp_path / name)
        two_lines(error, str(tmp_path / name))


@pytest.mark.parametrize("limit", [1500, 500])  # more than the limit (Pillow warns), more than twice (Pillow raises)
def test_decompression_bombs_are_refused(tmp_path, monkeypatch, limit):
    path = saved(tmp_path / "bomb.png", Image.fromarray(PIXELS))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(UserError, match="decompression bombs") as error:
        load_image(path)
    two_lines(error, "bomb.png")


# Names


def test_catalogue_is_complete_and_licensed():
    entries = catalogue()
    assert len({entry.name for entry in entries}) == len(entries)
    for entry in entries:
        assert entry.licence
        assert entry.credit
        assert bool(entry.package) != bool(entry.url)


@pytest.mark.parametrize("entry", [e for e in catalogue() if e.package], ids=lambda e: e.name)
def test_bundled_images_are_found_and_load(entry):
    used = find_image(entry.name)
    assert used.label == entry.name
    assert used.sha256 == hashlib.sha256(used.path.read_bytes()).hexdigest()
    assert min(load_image(used.path).shape[1:]) >= 300


def test_path_is_an_image_of_its_own_name(tmp_path):
    path = saved(tmp_path / "mine.png", Image.fromarray(PIXELS))
    used = find_image(str(path))
    assert (used.name, used.label, used.path, used.licence) == ("mine.png", "mine.png", path, "not known")


def test_mistakes_are_errors_whatever_the_fallback():
    with pytest.raises(UserError, match="Did you mean 'retina'"):
        find_image("retna", fallback="chelsea")
    with pytest.raises(UserError, match="there is no image file"):
        find_image("no/such.png", fallback="chelsea")


def test_names_are_listed_as_they_are_spelled():
    with pytest.raises(UserError) as error:
        find_image("zzzz")
    assert error.value.fix.startswith("Known: A, B, astronaut, brick")
    with pytest.raises(UserError, match="Did you mean 'A'"):
        find_image("a")


def test_a_data_folder_that_is_not_there_is_an_error(monkeypatch, tmp_path):
    assert data_folder() is None
    monkeypatch.setenv("AUGSTUDY_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.setenv("AUGSTUDY_DATA", str(tmp_path / "gone"))
    with pytest.raises(UserError, match="AUGSTUDY_DATA") as error:
        find_image("A", fallback="chelsea")
    two_lines(error, str(tmp_path / "gone"))


def test_offline_uses_the_fallback_and_says_so():
    used = find_image("A", fallback="retina")
    assert used.label == "retina (fallback for A)"
    assert used.licence == "CC0 1.0"


def test_offline_without_fallback_says_how_to_get_it(tmp_path):
    with pytest.raises(UserError, match="no network in tests") as error:
        find_image("A")
    first, second = str(error.value).split("\n")
    assert "https://raw.githubusercontent.com/yukimasano/" in first
    assert str(tmp_path / "cache" / "images" / "image_a.jpg") in second
    assert "fallback" in second


def test_refused_connection_fails_fast(monkeypatch):
    monkeypatch.setattr(book, "download", DOWNLOAD)
    entry = replace(catalogue()[0], url="http://127.0.0.1:9/img_a.jpg")  # the discard port: nobody listens
    with pytest.raises(UserError, match="refused"):
        fetch_image(entry)


def test_connection_that_breaks_off_is_an_ordinary_failure(monkeypatch):
    def cut(url: str, timeout: float) -> io.BytesIO:
        raise IncompleteRead(b"abc", 10)

    monkeypatch.setattr(urllib.request, "urlopen", cut)
    with pytest.raises(OSError, match="IncompleteRead"):
        DOWNLOAD("http://example.invalid/")


def named(content: bytes) -> book.NamedImage:
    return replace(catalogue()[0], sha256=hashlib.sha256(content).hexdigest())


def test_download_is_checked_then_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(images, "IMAGES", (named(jpeg_bytes()),))
    monkeypatch.setattr(book, "download", lambda url: jpeg_bytes())
    used = find_image("A")
    assert used.path == tmp_path / "cache" / "images" / "image_a.jpg"
    monkeypatch.setattr(book, "download", lambda url: pytest.fail("downloaded twice"))
    assert find_image("A") == used


def test_download_with_the_wrong_checksum_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(book, "download", lambda url: b"<html>log in to this hotel</html>")
    with pytest.raises(UserError, match="what came has sha256"):
        find_image("A")
    assert find_image("A", fallback="retina").name == "retina"
    assert not list((tmp_path / "cache").rglob("*.jpg"))


@pytest.mark.parametrize("variable", ["AUGSTUDY_DATA", "AUGSTUDY_CACHE"])
def test_file_with_the_wrong_checksum_is_an_error(monkeypatch, tmp_path, variable):
    monkeypatch.setenv(variable, str(tmp_path))
    (tmp_path / "images").mkdir()
    path = tmp_path / "images" / "image_a.jpg"
    path.write_bytes(jpeg_bytes())
    with pytest.raises(UserError, match="is not image A") as error:
        find_image("A", fallback="retina")
    first = two_lines(error, str(path))
    assert hashlib.sha256(jpeg_bytes()).hexdigest() in first
    assert catalogue()[0].sha256 in first


@pytest.mark.parametrize(("name", "size"), [("A", (600, 1600)), ("B", (1920, 2560))])
def test_the_papers_images(real_data, name, size):
    used = find_image(name)
    assert used.label == name
    assert load_image(used.path).shape[1:] == size
