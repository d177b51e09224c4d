"""What a run is trained on: nothing, one image, N images, or a data set as it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from augstudy.core.build import build, check_range
from augstudy.core.errors import UserError, nearest
from augstudy.data.preflight import check_policy
from augstudy.learn.methods.base import Method

__all__ = ["CROPPED", "Data", "Full", "Image", "Images", "regime"]

WORDS = ("none", "single_image", "full")
CROPPED = ("single_image", "images")  # trained on a corpus of crops


@dataclass(frozen=True)
class Image:
    """Which image; `fallback` is used only if the first cannot be had."""

    name: str = "A"
    fallback: str | None = None


@dataclass(frozen=True)
class Images:
    """What a corpus is cut from in place of one image; a row says `data: {images: 10}`.

    Args:
        images: how many, drawn by the run's seed, or "all".
        folder: of image files of any size; without it they are training images of the study's `probe_data`.
        bad_files: of a folder, what is done about files that cannot be read: `stop`, or `skip` to draw others instead.
    """

    images: Any = "all"
    folder: str = ""
    bad_files: str = "stop"

    def __post_init__(self) -> None:
        check_policy(self.bad_files)
        number = isinstance(self.images, int) and not isinstance(self.images, bool) and self.images > 0
        if not number and self.images != "all":
            what = f"images is {self.images!r}, neither a whole number from 1 on nor all"
            raise UserError(what, "Write images: 10, or images: all.")

    @property
    def count(self) -> int | None:
        """None for all."""
        return None if self.images == "all" else int(self.images)


@dataclass(frozen=True)
class Full:
    """How many images of the labelled set a row with `data: full` is trained on; all, unless told."""

    count: int | None = None

    def __post_init__(self) -> None:
        if self.count is not None:
            check_range("count", self.count, 1)


@dataclass(frozen=True)
class Data:
    """Which labelled set probes and the supervised row use; `fallback` only if the first cannot be had."""

    name: str = "cifar10"
    fallback: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)


def regime(said: Any, method: type[Method], name: str, where: str) -> tuple[str, Images | None]:
    """What a row says under `data`, or what follows from its method, as one word; and which images for "images".

    Args:
        said: one of "none", "single_image" and "full", a mapping such as {"images": 10}, or None.
        name: of the method.

    Raises:
        UserError: it is none of these, or does not fit the method.
    """
    if said is None:
        said = "full" if method.needs_labels else "single_image" if method.trains else "none"
    images = build(Images, said, f"{where}: data") if isinstance(said, Mapping) else None
    data = "images" if images else said
    if not images and said not in WORDS:
        raise UserError(f"{where}: unknown data {said!r}", nearest(str(said), (*WORDS, "{images: N}")))
    if method.needs_labels and data != "full":
        raise UserError(f"{where}: {name} needs labels, which data: {data} has not", "Set data: full.")
    if method.trains != (data != "none"):
        raise UserError(f"{where}: data: {data} does not fit method {name}", "Leave data out of this row.")
    return data, images
