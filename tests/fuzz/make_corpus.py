"""Write the valid images of the corpus: small ones of every kind that the loader knows.

Run it as `python -m tests.fuzz.make_corpus` when a kind is added; inputs that broke something are kept beside them.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms

FOLDER = Path(__file__).parent / "corpus" / "images"
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
SMOOTH = np.stack(np.broadcast_arrays(*np.ogrid[0:240:6, 0:250:5], 90), -1).astype(np.uint8)


def write(name: str, image: Image.Image, **options: Any) -> None:
    image.save(FOLDER / name, **options)


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    rgb, smooth = Image.fromarray(PIXELS), Image.fromarray(SMOOTH)
    grey, ramp = rgb.convert("L"), np.linspace(0, 65535, 63).reshape(9, 7).astype(np.uint16)
    palette = rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    frames = {"save_all": True, "append_images": [rgb.rotate(180)], "duration": 50}
    for name, image, options in (
        ("rgb.png", rgb, {"exif": exif}),
        ("grey.png", grey, {}),
        ("grey16.png", Image.fromarray(ramp), {}),
        ("bit.png", rgb.convert("1"), {}),
        ("palette.png", palette, {"transparency": 3}),
        ("rgba.png", rgb.convert("RGBA"), {}),
        ("la.png", rgb.convert("LA"), {"icc_profile": profile}),
        ("moving.png", rgb, frames),
        ("moving.gif", rgb, frames),
        ("palette.gif", palette, {"transparency": 2}),
        ("rgb.jpg", smooth, {"exif": exif, "icc_profile": profile, "quality": 40}),
        ("steps.jpg", smooth, {"progressive": True, "quality": 30}),
        ("grey.jpg", smooth.convert("L"), {"quality": 40}),
        ("cmyk.jpg", smooth.convert("CMYK"), {"quality": 40}),
        ("rgb.tif", rgb, {"exif": exif, "compression": "tiff_lzw"}),
        ("deflate.tif", rgb.convert("RGBA"), {"compression": "tiff_deflate"}),
        ("grey16.tif", Image.fromarray(ramp), {}),
        ("float.tif", Image.fromarray((ramp / 65535).astype(np.float32)), {}),
        ("cmyk.tif", rgb.convert("CMYK"), {}),
        ("bit.tif", rgb.convert("1"), {"compression": "group4"}),
        ("lab.tif", Image.new("LAB", (7, 9), (100, 128, 128)), {}),
        ("rgb.webp", rgb, {"quality": 40}),
        ("rgba.webp", rgb.convert("RGBA"), {"lossless": True}),
        ("moving.webp", rgb, frames),
        ("rgb.avif", smooth, {"quality": 30}),
        ("rgb.bmp", rgb, {}),
        ("palette.bmp", palette, {}),
        ("rgb.ppm", rgb, {}),
        ("rgb.jp2", smooth, {}),
    ):
        write(name, image, **options)
    (FOLDER / "text.jpg").write_bytes(b"Dear all, this is a letter.\n")
    (FOLDER / "zeros.png").write_bytes(bytes(64))
    buffer = io.BytesIO()
    smooth.save(buffer, "JPEG")
    (FOLDER / "cut.jpg").write_bytes(buffer.getvalue()[:-40])


if __name__ == "__main__":
    main()
