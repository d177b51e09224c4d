"""Embedded ICC profiles are followed to sRGB, sRGB ones to the last bit; broken ones are ignored, which is said."""

import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from augstudy.core import notes
from augstudy.data.catalogue import catalogue
from augstudy.data.images import content_of, find_image, load_image
from augstudy.data.profiles import is_srgb

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
D50 = (0.9642, 1.0, 0.8249)
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))  # XYZ of R, G, B at D50


def icc(kind: bytes, space: bytes, connected: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A version 2 profile (ICC.1:2001-04, sections 6.1 and 6.2) with these tags."""
    at, table, body = 132 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = bytearray(128)
    head[0:4] = struct.pack(">I", at + len(body))
    head[8:12], head[12:16], head[16:20], head[20:24] = b"\x02\x20\0\0", kind, space, connected
    head[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    head[36:40] = b"acsp"
    head[68:80] = fixed(*D50)
    return bytes(head) + struct.pack(">I", len(tags)) + table + body


def fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + fixed(*values)


def gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256)) + bytes(2)


def rgb_profile(primaries=ADOBE, power=2.2) -> bytes:
    columns = {b"rXYZ": xyz(*primaries[0]), b"gXYZ": xyz(*primaries[1]), b"bXYZ": xyz(*primaries[2])}
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma(power))
    return icc(b"mntr", b"RGB ", b"XYZ ", {b"wtpt": xyz(*D50), **columns, **curves})


def grey_profile(power: float) -> bytes:
    return icc(b"mntr", b"GRAY", b"XYZ ", {b"wtpt": xyz(*D50), b"kTRC": gamma(power)})


def cmyk_profile(lab_of) -> bytes:
    """Ink corners -> Lab by a table of two points a channel (lut8Type)."""
    corners = [lab_of(*(c, m, y, k)) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    table = bytes(v for L, a, b in corners for v in (round(L * 2.55), round(a) + 128, round(b) + 128))
    head = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return icc(
        b"prtr",
        b"CMYK",
        b"Lab ",
        {b"wtpt": xyz(*D50), b"A2B0": head + bytes(range(256)) * 4 + table + bytes(range(256)) * 3},
    )


def saved(path, image, **options):
    image.save(path, **options)
    return path


def linear(v):
    """IEC 61966-2-1: sRGB in [0, 1] -> light."""
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def encoded(v):
    """Its inverse."""
    v = np.clip(v, 0, 1)
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055)


def test_a_wide_profile_is_converted_as_the_standard_says(tmp_path):
    x = load_image(saved(tmp_path / "a.png", Image.fromarray(PIXELS), icc_profile=rgb_profile()))
    srgb = np.array([[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]])  # at D50
    light = (PIXELS / 255) ** (round(2.2 * 256) / 256)
    want = encoded(light @ np.array(ADOBE) @ np.linalg.inv(srgb)) * 255
    assert np.abs(x.permute(1, 2, 0).numpy() - want).max() < 2
    assert np.abs(want - PIXELS).max() > 20


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp"])
def test_an_srgb_profile_changes_no_pixel(tmp_path, suffix):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.fromarray(PIXELS)
    bare = load_image(saved(tmp_path / f"a.{suffix}", image))
    path = saved(tmp_path / f"b.{suffix}", image, icc_profile=profile)
    with Image.open(path) as file:
        assert file.info["icc_profile"] == profile
    assert load_image(path).equal(bare)


def test_grey_with_a_grey_profile_is_converted(tmp_path):
    ramp = np.tile(np.arange(256, dtype=np.uint8), (40, 1))
    x = load_image(saved(tmp_path / "a.png", Image.fromarray(ramp), icc_profile=grey_profile(1.0)))
    assert np.abs(x[0].numpy() - encoded(ramp / 255.0) * 255).max() < 2
    assert x[0].equal(x[1])
    assert x[0].equal(x[2])


def test_grey_with_a_colour_profile_takes_its_curve(tmp_path):
    ramp = np.tile(np.arange(256, dtype=np.uint8), (40, 1))
    x = load_image(saved(tmp_path / "a.png", Image.fromarray(ramp), icc_profile=rgb_profile(power=1.0)))
    assert np.abs(x[1].numpy() - encoded(ramp / 255.0) * 255).max() < 3


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_with_a_profile_is_not_the_plain_formula(tmp_path, suffix):
    profile = cmyk_profile(lambda c, m, y, k: (100 - 20 * (c + m + y) - 40 * k, 0, 0))  # every ink is grey
    cyan = Image.new("CMYK", (40, 40), (255, 0, 0, 0))
    x = load_image(saved(tmp_path / f"a.{suffix}", cyan, icc_profile=profile)).float().mean((1, 2))
    grey = encoded(((80 + 16) / 116) ** 3) * 255  # L* = 80
    assert np.abs(x.numpy() - grey).max() < 3
    assert load_image(saved(tmp_path / f"b.{suffix}", cyan)).float().mean((1, 2))[0] < 15


def test_lab_is_converted(tmp_path):
    x = load_image(saved(tmp_path / "a.tif", Image.new("LAB", (40, 40), (204, 128, 128)))).float().mean((1, 2))
    assert np.abs(x.numpy() - encoded(((80 + 16) / 116) ** 3) * 255).max() < 3


def test_a_profile_and_transparency_go_together(tmp_path):
    image = Image.fromarray(PIXELS)
    opaque = load_image(saved(tmp_path / "a.png", image, icc_profile=rgb_profile()))
    image.putalpha(Image.fromarray(np.repeat([[255] * 25 + [0] * 25], 40, 0).astype(np.uint8)))
    x = load_image(saved(tmp_path / "b.png", image, icc_profile=rgb_profile()))
    assert x[:, :, :25].equal(opaque[:, :, :25])
    assert x[:, :, 25:].min() == 255


@pytest.mark.parametrize(
    "profile",
    [b"no profile", rgb_profile()[:200], bytes(4000), cmyk_profile(lambda c, m, y, k: (50, 0, 0)), grey_profile(1.0)],
    ids=["text", "cut", "zeros", "of CMYK", "of grey"],
)
def test_a_profile_that_is_broken_or_of_other_colours_is_ignored_and_said_once(tmp_path, monkeypatch, caplog, profile):
    monkeypatch.setattr(notes, "_said", set())
    bare = load_image(saved(tmp_path / "a.png", Image.fromarray(PIXELS)))
    for name in ("b.png", "c.png"):
        assert load_image(saved(tmp_path / name, Image.fromarray(PIXELS), icc_profile=profile)).equal(bare)
    assert len(caplog.messages) == 1
    assert "b.png has a colour profile that does not fit it" in caplog.messages[0]


def test_of_the_images_by_name_only_rocket_is_converted():
    others = {entry.name for entry in catalogue() if entry.package} - {"rocket"}
    for name in others:
        used = find_image(name)
        assert used.content == used.sha256
        assert load_image(used.path).equal(load_image(used.path, profile=False))
    rocket = find_image("rocket")
    assert rocket.content == f"{rocket.sha256} to sRGB"
    assert not load_image(rocket.path).equal(load_image(rocket.path, profile=False))


def test_what_names_the_pixels_of_a_file_that_is_no_image_is_its_sha256(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"text")
    assert content_of(tmp_path / "a.jpg", "abc") == "abc"
    assert is_srgb(b"no profile", "RGB")
