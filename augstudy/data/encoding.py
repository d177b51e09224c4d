"""Crops to the bytes of image files, and back."""

import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.io import encode_jpeg, encode_png

from augstudy.core.build import check_choice, check_range

__all__ = ["ENCODINGS", "Encoding", "to_bytes"]

ENCODINGS = ("jpeg", "png", "raw")


def to_bytes(crops: Tensor) -> Tensor:
    """(B, 3, h, w) float in [0, 1] -> (B, 3, h, w) uint8, rounded to nearest, channels last in memory."""
    return crops.mul(255).round_().clamp_(0, 255).byte().contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Encoding:
    """How one crop becomes one file.

    torchvision's encoders are as fast as Pillow's or faster on pixels that lie channels last, and let go of Python's
    lock, so threads encode side by side. On CUDA, JPEG is encoded there by nvJPEG.

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
        if self.name == "png":
            return [encode_png(x, compression_level=1).numpy().tobytes() for x in crops.cpu()]
        files = encode_jpeg(list(crops.contiguous() if crops.is_cuda else crops), self.quality)
        ends = np.cumsum([len(file) for file in files])
        together = torch.cat(files).cpu().numpy().tobytes()  # one transfer, not B
        return [together[end - len(file) : end] for file, end in zip(files, ends, strict=True)]

    def _raw(self, crops: Tensor) -> list[bytes]:
        h, w = crops.shape[-2:]
        header = b"" if self.bare else f"P6\n{w} {h}\n255\n".encode()
        pixels = crops.permute(0, 2, 3, 1).contiguous().cpu().numpy().reshape(len(crops), -1)  # (B, h * w * 3)
        return [header + row.tobytes() for row in pixels]

    def decode(self, file: bytes, size: int) -> Tensor:
        """One file -> (3, size, size) uint8; raises OSError or ValueError if it is none."""
        if self.bare:
            pixels = np.frombuffer(file, np.uint8).reshape(size, size, 3)
        else:
            with Image.open(io.BytesIO(file)) as image:
                pixels = np.asarray(image)
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1)
