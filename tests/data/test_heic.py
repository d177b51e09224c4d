"""HEIC files that pillow-heif wrote: the right pixels, turned once; skipped where it is not installed."""

import io

import numpy as np
import pytest
from PIL import Image

from augstudy.core.errors import UserError
from augstudy.data import decoding
from augstudy.data.decoding import TURNS
from augstudy.data.images import decode_image
from augstudy.data.preflight import fault

pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed: pip install -e '.[heic]'")

SMOOTH = np.stack(np.broadcast_arrays(*np.ogrid[0:240:6, 0:250:5], 90), -1).astype(np.uint8)  # (40, 50, 3)
LOSSLESS = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}


@pytest.fixture(scope="module", autouse=True)
def writer():
    decoding._formats()
    pillow_heif.register_heif_opener()


def written(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "HEIF", **options)
    return buffer.getvalue()


def seen(content: bytes) -> np.ndarray:
    assert fault(content, "a.heic", whole=False) is None
    return decode_image(content, "a.heic").permute(1, 2, 0).numpy().astype(int)


def test_pixels_are_those_that_were_written():
    assert np.array_equal(seen(written(Image.fromarray(SMOOTH), **LOSSLESS)), SMOOTH)
    content = written(Image.fromarray(SMOOTH), quality=90)
    assert content[4:12] == b"ftypheic"
    assert np.abs(seen(content) - SMOOTH).max() < 12


def test_grey_and_16_bits_are_scaled():
    grey = np.ascontiguousarray(SMOOTH[:, :, 0])
    assert np.abs(seen(written(Image.fromarray(grey), quality=-1)) - grey[..., None]).max() <= 1
    ramp = np.linspace(0, 65535, 2000).reshape(40, 50).astype(np.uint16)
    buffer = io.BytesIO()
    pillow_heif.from_bytes(mode="L;16", size=(50, 40), data=ramp.tobytes()).save(buffer, quality=-1)
    assert np.abs(seen(buffer.getvalue()) - (ramp / 257)[..., None]).max() <= 1.5  # 12 bits are kept


def test_transparency_is_laid_on_white():
    image = Image.fromarray(SMOOTH).convert("RGBA")
    image.putalpha(Image.fromarray(np.tile(np.arange(50, dtype=np.uint8) * 5, (40, 1))))
    want = np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"))
    assert np.abs(seen(written(image, quality=-1, chroma=444)) - want).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_once(orientation):
    """A HEIC file says it in its own boxes, from which the decoder turns, and in EXIF, which then says 1."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = written(Image.fromarray(SMOOTH), exif=exif.tobytes(), **LOSSLESS)
    assert (b"irot" in content or b"imir" in content) == (orientation > 1)
    image = Image.fromarray(SMOOTH)
    want = image.transpose(TURNS[orientation]) if orientation > 1 else image
    assert np.array_equal(seen(content), np.asarray(want))


def test_of_several_pictures_the_primary_one_is_read():
    for primary in (0, 1):
        several, buffer = pillow_heif.HeifFile(), io.BytesIO()
        for angle in (0, 180):
            several.add_from_pillow(Image.fromarray(SMOOTH).rotate(angle))
        several.save(buffer, primary_index=primary, **LOSSLESS)
        assert np.array_equal(seen(buffer.getvalue()), np.rot90(SMOOTH, 2 * primary))


def test_a_cut_file_is_told():
    content = written(Image.fromarray(SMOOTH))
    for length in (20, len(content) // 2, len(content) - 1):
        for whole in (True, False):
            error = fault(content[:length], "a.heic", whole=whole)
            assert isinstance(error, UserError)
            assert error.what.startswith("a.heic is ")
