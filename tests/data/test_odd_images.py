"""Odd image files, one by one as docs/inputs.md lists them: right pixels, or two lines that name the file."""

import io
import os
import struct
import sys
import types
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

from augstudy.core import notes
from augstudy.core.errors import UserError
from augstudy.data import decoding
from augstudy.data.corpus import Corpus, Recipe
from augstudy.data.datasets.base import fit
from augstudy.data.encoding import chunk
from augstudy.data.images import decode_image, load_image, size_of

RNG = np.random.default_rng(1)
PIXELS = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
SMOOTH = np.stack(np.broadcast_arrays(*np.ogrid[0:240:6, 0:250:5], 90), -1).astype(np.uint8)  # (40, 50, 3), for JPEG


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def seen(path: Path) -> np.ndarray:
    """(H, W, 3) as numbers that can be subtracted."""
    return load_image(path).permute(1, 2, 0).numpy().astype(int)


def refused(path: Path, what: str) -> str:
    """The second line, after checking that there are two and that the first names the file."""
    with pytest.raises(UserError, match=what) as error:
        load_image(path)
    lines = str(error.value).split("\n")
    assert len(lines) == 2
    assert path.name in lines[0]
    return lines[1]


@pytest.mark.parametrize("mode", ["1", "L"])
@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "webp"])
def test_one_bit_and_grey(tmp_path, mode, suffix):
    image = Image.fromarray(PIXELS).convert(mode)
    x = seen(saved(tmp_path / f"a.{suffix}", image, **({"lossless": True} if suffix == "webp" else {})))
    assert np.array_equal(x, np.asarray(image.convert("RGB")))


def png16(values: np.ndarray, colour: int, extra: bytes = b"") -> bytes:
    """A PNG of 16 bits a channel: (H, W) or (H, W, channels); colour 0 is grey, 2 RGB, 4 grey and alpha, 6 RGBA."""
    h, w = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values.reshape(h, -1))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 16, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bit_png_of_every_colour_type_is_scaled(tmp_path, colour, channels):
    values = RNG.integers(0, 65536, (40, 50, channels))
    if colour in (4, 6):
        values[..., -1] = 65535
    (tmp_path / "a.png").write_bytes(png16(values, colour))
    want = np.broadcast_to(values[..., : 1 if channels < 3 else 3] / 257, (40, 50, 3))
    assert np.abs(seen(tmp_path / "a.png") - want).max() <= (0.5 if colour == 0 else 1)


def test_16_bit_grey_png_with_a_transparent_value(tmp_path):
    values = RNG.integers(0, 65536, (40, 50))
    values[:, :5] = 1234
    (tmp_path / "a.png").write_bytes(png16(values, 0, chunk(b"tRNS", struct.pack(">H", 1234))))
    x = seen(tmp_path / "a.png")
    assert x[:, :5].min() == 255
    assert np.abs(x[:, 5:, 0] - values[:, 5:] / 257).max() <= 0.5


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_tiff_of_either_byte_order_is_scaled(tmp_path, order):
    values = RNG.integers(0, 65536, (40, 50)).astype(f"{order}u2")
    mode = "I;16" if order == "<" else "I;16B"
    image = Image.frombytes(mode, (50, 40), values.tobytes())
    assert np.array_equal(seen(saved(tmp_path / "a.tif", image))[..., 0], np.rint(values / 257))


def test_16_bit_pgm_is_scaled(tmp_path):
    values = RNG.integers(0, 65536, (40, 50)).astype(">u2")
    (tmp_path / "a.pgm").write_bytes(b"P5 50 40 65535\n" + values.tobytes())
    assert np.array_equal(seen(tmp_path / "a.pgm")[..., 0], np.rint(values / 257))


def test_a_palette_with_and_without_transparency(tmp_path):
    image = Image.fromarray(PIXELS).convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    colours = np.asarray(image.convert("RGB"))
    for suffix in ("png", "gif", "bmp", "tif"):
        assert np.array_equal(seen(saved(tmp_path / f"a.{suffix}", image)), colours)
    clear = np.asarray(image) == 3
    for suffix in ("png", "gif"):
        x = seen(saved(tmp_path / f"b.{suffix}", image, transparency=3))
        assert np.array_equal(x, np.where(clear[..., None], 255, colours))


def test_a_palette_with_half_transparent_entries(tmp_path):
    image = Image.fromarray(np.repeat([[0] * 20 + [1] * 20], 40, 0).astype(np.uint8))
    image.putpalette([200, 100, 0, 0, 0, 0])
    x = seen(saved(tmp_path / "a.png", image, transparency=bytes([128, 255])))
    assert np.abs(x[0, 0] - (np.array([200, 100, 0]) * 128 + 255 * 127) / 255).max() <= 1
    assert x[0, 30].tolist() == [0, 0, 0]


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_rgba_is_laid_on_white(tmp_path, suffix):
    alpha = RNG.integers(0, 256, (40, 50, 1))
    image = Image.fromarray(np.concatenate([PIXELS, alpha], 2).astype(np.uint8))
    x = seen(saved(tmp_path / f"a.{suffix}", image, **({"lossless": True, "exact": True} if suffix == "webp" else {})))
    assert np.abs(x - (PIXELS * (alpha / 255) + 255 * (1 - alpha / 255))).max() <= 1


def adobe(path: Path, transform: int) -> Path:
    """The Adobe marker of a JPEG says: 0 CMYK, 2 YCCK."""
    content = bytearray(path.read_bytes())
    at = content.index(b"Adobe")
    content[at + 11] = transform
    path.write_bytes(content)
    return path


def test_cmyk_jpeg_has_its_colours(tmp_path):
    inks = Image.merge("CMYK", [*Image.fromarray(SMOOTH).split(), Image.new("L", (50, 40), 40)])
    path = saved(tmp_path / "a.jpg", inks, quality=95, subsampling=0)
    want = (255 - SMOOTH.astype(int)) * (255 - 40) / 255
    assert np.abs(seen(path) - want).max() < 12


def test_ycck_jpeg_has_its_colours(tmp_path):
    # YCCK is CMY taken for RGB and turned into YCbCr; here such numbers are written as CMYK, and the marker is changed.
    channels = [*Image.fromarray(SMOOTH).convert("YCbCr").split(), Image.new("L", (50, 40), 255 - 40)]
    raw = Image.merge("CMYK", [Image.fromarray(255 - np.asarray(c)) for c in channels])  # Pillow inverts on saving
    path = adobe(saved(tmp_path / "a.jpg", raw, quality=95, subsampling=0), 2)
    want = (255 - SMOOTH.astype(int)) * (255 - 40) / 255
    assert np.abs(seen(path) - want).max() < 16


TURNED = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).swapaxes(0, 1),
    8: lambda x: np.rot90(x),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif"])
def test_exif_orientations(tmp_path, orientation, suffix):
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    exif = Image.Exif()
    exif[0x0112] = orientation
    x = seen(saved(tmp_path / f"a.{suffix}", Image.fromarray(SMOOTH), exif=exif, quality=95))
    want = TURNED[orientation](SMOOTH)
    assert x.shape == want.shape
    assert np.abs(x - want).max() < 30


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_turns_nothing(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(seen(saved(tmp_path / "a.png", Image.fromarray(PIXELS), exif=exif)), PIXELS)


def test_damaged_exif_does_not_cost_the_pixels(tmp_path):
    path = saved(tmp_path / "a.png", Image.fromarray(PIXELS), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert np.array_equal(seen(path), PIXELS)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif", "avif"])
def test_the_first_frame_is_used_and_that_is_said_once(tmp_path, monkeypatch, caplog, suffix):
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    monkeypatch.setattr(notes, "_said", set())
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "lime", "blue")]
    options = {"save_all": True, "append_images": frames[1:], **({} if suffix == "tif" else {"duration": 50})}
    for name in ("a", "b"):
        x = seen(saved(tmp_path / f"{name}.{suffix}", frames[0], **options))
        assert np.abs(x - [255, 0, 0]).max() < 8
    assert caplog.messages == [
        f"{tmp_path / 'a'}.{suffix} holds several pictures: the first is used; said once for all such files"
    ]


def test_avif_is_read_or_its_decoder_named(tmp_path, monkeypatch):
    if features.check("avif"):
        x = seen(saved(tmp_path / "a.avif", Image.fromarray(SMOOTH), quality=95))
        assert np.abs(x - SMOOTH).max() < 30
    (tmp_path / "b.avif").write_bytes(b"\0\0\0\x1cftypavif" + bytes(40))
    monkeypatch.setattr(features, "check", lambda name: False)
    assert "Pillow 11.3" in refused(tmp_path / "b.avif", "is an AVIF image, for which this Pillow has no decoder")


def test_heic_without_a_decoder_says_which_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "_formats", lambda: ["JPEG"])
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x1cftypheic" + bytes(40))
    assert "augstudy[heic]" in refused(tmp_path / "a.heic", "is a HEIC image, for which no decoder is installed")


def test_a_heic_decoder_that_is_installed_is_registered(monkeypatch):
    called: list[bool] = []
    module = types.ModuleType("pillow_heif")
    module.register_heif_opener = lambda: called.append(True)
    monkeypatch.setitem(sys.modules, "pillow_heif", module)
    monkeypatch.setattr(decoding, "find_spec", lambda name: module)
    assert "JPEG" in decoding._formats.__wrapped__()
    assert called == [True]


def jpeg(**options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_jpeg_is_never_half_grey(tmp_path, options, share):
    content = jpeg(**options)
    (tmp_path / "a.jpg").write_bytes(content[: round(share * len(content))])
    refused(tmp_path / "a.jpg", "damaged or cut short")


def test_files_that_are_no_images(tmp_path):
    for name, content, what in (
        ("empty.jpg", b"", "is empty"),
        ("letter.jpg", b"Dear all, this is a letter.\n" * 9, "is not an image in a format that Pillow can read"),
        ("post.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 90 90\nshowpage\n", "is not an image"),
        ("zeros.png", bytes(5000), "is not an image"),
    ):
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, what)
        with pytest.raises(UserError, match=what):
            size_of(tmp_path / name)


def test_odd_sizes(tmp_path):
    for size in ((1, 1), (5, 4000), (4000, 5), (31, 33)):
        path = saved(tmp_path / f"{size[0]}x{size[1]}.png", Image.new("RGB", size, "red"))
        assert "at least 32 px" in refused(path, f"too small: {size[0]}x{size[1]} px")
        x = fit(decode_image(path.read_bytes(), str(path)), 32)  # a labelled set scales whatever it gets
        assert x.shape == (3, 32, 32)
        assert x.float().mean((1, 2)).tolist() == [255, 0, 0]
    assert seen(saved(tmp_path / "33.png", Image.fromarray(PIXELS[:33, :33]))).shape == (33, 33, 3)


def test_a_line_of_a_million_pixels_does_not_grow_when_it_is_fitted(live_bytes):
    line = torch.arange(1_000_000).remainder(256).to(torch.uint8).expand(3, 1, -1).contiguous()
    with live_bytes() as live:
        assert fit(line, 32).shape == (3, 32, 32)
    assert live.peak < 20e6


@pytest.mark.parametrize("shape", [(40, 50), (32, 4000), (33, 33)])
def test_crops_of_a_constant_image_are_constant(shape):
    image = torch.full((3, *shape), 77, dtype=torch.uint8)
    crops = Corpus(image, Recipe(count=64, size=32), 0).batch(torch.arange(64))
    assert torch.isfinite(crops).all()
    assert crops.flatten(2).std(2).max() < 1e-3


def huge(path: Path, width: int, height: int) -> Path:
    """A PNG of one bit a pixel, all black: some 70 kB for 600 million pixels."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    rows = b"".join(packer.compress(row * 100) for _ in range(height // 100)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


def test_600_million_pixels_are_refused_unread(tmp_path):
    path = huge(tmp_path / "bomb.png", 30_000, 20_000)
    assert "AUGSTUDY_MAX_PIXELS" in refused(path, "more pixels .600,000,000. than the limit of 89,478,485")
    with pytest.raises(UserError, match="600,000,000"):
        size_of(path)


def test_the_limit_is_an_option(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.png", Image.fromarray(PIXELS))
    monkeypatch.setenv("AUGSTUDY_MAX_PIXELS", "1999")
    refused(path, r"more pixels \(50 x 40\) than the limit of 1,999")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # Pillow alone would refuse
    monkeypatch.setenv("AUGSTUDY_MAX_PIXELS", "2000")
    assert np.array_equal(seen(path), PIXELS)
    monkeypatch.setenv("AUGSTUDY_MAX_PIXELS", "a lot")
    with pytest.raises(UserError, match="AUGSTUDY_MAX_PIXELS is 'a lot'"):
        load_image(path)


@pytest.mark.parametrize(
    "name", [b"a b.png", b"a\nb.png", b"\xff\xfe.png", "né 猫.png".encode(), b"-x.png", b"a'$(b).png"]
)
def test_any_name_is_a_name(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, "PNG")
    path.write_bytes(buffer.getvalue())
    assert np.array_equal(seen(path), PIXELS)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="is empty") as error:
        load_image(path)
    text = str(error.value)
    assert len(text.split("\n")) == 2
    assert text.encode()  # it can be printed
