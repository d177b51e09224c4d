"""Crops to the bytes of image files, and back."""

import io
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from augstudy.core.build import check_choice, check_range

try:  # deprecated since torchvision 0.29, but it takes 46 us for a crop of 32 px where Pillow takes 117, bytes equal
    from torchvision.io import encode_jpeg
except ImportError:
    encode_jpeg = None

__all__ = ["ENCODINGS", "Encoding", "to_bytes"]

ENCODINGS = ("jpeg", "png", "raw")


def to_bytes(crops: Tensor) -> Tensor:
    """(B, 3, h, w) float in [0, 1] -> (B, 3, h, w) uint8, rounded to nearest, channels last in memory."""
    return crops.mul(255).round_().clamp_(0, 255).byte().contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Encoding:
    """How one crop becomes one file.

    JPEG goes through torchvision, by nvJPEG on CUDA, else through Pillow. PNG is written here, for zlib lets go of
    Python's lock, so that threads encode side by side, and takes half the time of libpng's search for the best filter.

    Args:
        name: "jpeg", "png", or "raw": bare pixels, as a PPM file where each crop is a file of its own.
        quality: of a JPEG, 1 to 100; the released script takes 75.
        bare: raw pixels have no PPM header, as in one large array.
    """

    name: str = "jpeg"
    quality: int = 90
    bare: bool = False

    def __post_init__(self) -> None:
        check_choice("encoding", self.name, ENCODINGS)
        check_range("quality", self.quality, 1, 100)

    @property
    def suffix(self) -> str:
        """Of a file name: PPM is a raw format that Pillow, ImageFolder and webdataset read."""
        return {"jpeg": ".jpg", "png": ".png", "raw": ".ppm"}[self.name]

    def encode(self, crops: Tensor) -> list[bytes]:
        """(B, 3, h, w) uint8 on any device -> B files."""
        if self.name == "raw":
            return self._raw(crops)
        pixels = crops.permute(0, 2, 3, 1)  # (B, h, w, 3)
        if self.name == "png":
            return png(pixels.contiguous().cpu().numpy())
        if encode_jpeg is None:
            return [self._pillow(picture) for picture in pixels.contiguous().cpu().numpy()]
        files = encode_jpeg(list(crops.contiguous() if crops.is_cuda else crops), self.quality)
        ends = np.cumsum([len(file) for file in files])
        together = torch.cat(files).cpu().numpy().tobytes()  # one transfer, not B
        return [together[end - len(file) : end] for file, end in zip(files, ends, strict=True)]

    def _raw(self, crops: Tensor) -> list[bytes]:
        h, w = crops.shape[-2:]
        header = b"" if self.bare else f"P6\n{w} {h}\n255\n".encode()
        pixels = crops.permute(0, 2, 3, 1).contiguous().cpu().numpy().reshape(len(crops), -1)  # (B, h * w * 3)
        return [header + row.tobytes() for row in pixels]

    def _pillow(self, picture: np.ndarray[Any, Any]) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=self.quality)
        return buffer.getvalue()


def png(pictures: np.ndarray[Any, Any]) -> list[bytes]:
    """(B, h, w, 3) uint8 -> B PNG files, each row told by its difference from the row above.

    Source: W3C, Portable Network Graphics, third edition, sections 5 and 9.
    """
    count, h, w, _ = pictures.shape
    rows = pictures.reshape(count, h, 3 * w)
    lines = np.full((count, h, 3 * w + 1), 2, np.uint8)  # 2: the filter "up"
    lines[:, 0, 1:] = rows[:, 0]
    np.subtract(rows[:, 1:], rows[:, :-1], out=lines[:, 1:, 1:])
    head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0))  # 8 bits, RGB
    return [head + chunk(b"IDAT", zlib.compress(picture, 1)) + chunk(b"IEND", b"") for picture in lines]


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file: length, kind, content and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
