"""CIFAR-10: 60,000 colour images of 32 px in ten classes (Krizhevsky, 2009)."""

import contextlib
import io
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import torch
from torchvision.datasets import CIFAR10

from augstudy.core.build import check_range
from augstudy.core.errors import Unobtainable, UserError, of_disk
from augstudy.core.lock import turn
from augstudy.data.catalogue import cache_folder, data_folder
from augstudy.data.datasets.base import Decoded, Labelled, Rows, Stored, fingerprint, fit, read_parquet

__all__ = ["Cifar10"]

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
JPEG = b"\xff\xd8"  # first bytes of every JPEG file
TIMEOUT = 10.0  # s without a byte


@dataclass(frozen=True)
class Cifar10:
    """CIFAR-10 from Parquet files as on the Hugging Face hub, else torchvision's copy, downloaded once.

    Args:
        root: folder with train.parquet and test.parquet; empty for AUGSTUDY_DATA/cifar10, and if there is none, the
            user's cache.
        size: px; other than 32 the images are scaled.
    """

    root: str = ""
    size: int = 32

    def __post_init__(self) -> None:
        check_range("size", self.size, 1)

    def load(self) -> Labelled:
        """The set; Parquet images are decoded when they are asked for.

        Raises:
            UserError: a file is wrong, or the data are not here and cannot be downloaded.
        """
        if self.root:
            return self._from_parquet(Path(self.root).expanduser())
        data = data_folder()
        if data and (data / "cifar10" / "train.parquet").is_file():
            return self._from_parquet(data / "cifar10")
        return self._from_torchvision(cache_folder() / "cifar10")

    def _from_parquet(self, folder: Path) -> Labelled:
        train, test = (read_parquet(folder / f"{s}.parquet", "img", "label", self.size) for s in ("train", "test"))
        for rows in (train, test):
            _check_labels(rows)
        # The original release is lossless, so JPEG bytes mean that somebody has compressed it again.
        again = any(rows.content[0].as_py().startswith(JPEG) for rows in (train, test))
        return Labelled(
            name="cifar10",
            train=Decoded(train, train.labels, self.size),
            test=Decoded(test, test.labels, self.size),
            classes=CLASSES,
            note="CIFAR-10 re-encoded as JPEG" if again else "CIFAR-10",
            fingerprint=fingerprint("cifar10 parquet 1", train.sha256, test.sha256, self.size),
        )

    def _from_torchvision(self, folder: Path) -> Labelled:
        with _quiet_network():
            try:
                train, test = _downloaded(folder)
            except (OSError, RuntimeError, HTTPException) as error:
                # A full disk is no reason to look at other data.
                if isinstance(error, OSError) and of_disk(error):
                    raise
                why = " ".join(str(error).split()) or type(error).__name__
                raise Unobtainable(
                    f"CIFAR-10 is not in {folder} and cannot be downloaded ({why})",
                    "Put train.parquet and test.parquet into a folder and set root to it, or set a fallback: photos.",
                ) from None
        return Labelled(
            name="cifar10",
            train=self._stored(train),
            test=self._stored(test),
            classes=CLASSES,
            note="CIFAR-10",
            fingerprint=fingerprint("cifar10 torchvision 1", CIFAR10.tgz_md5, self.size),
        )

    def _stored(self, split: CIFAR10) -> Stored:
        pixels = torch.from_numpy(split.data).permute(0, 3, 1, 2).contiguous()  # (N, 32, 32, 3) -> (N, 3, 32, 32)
        return Stored(fit(pixels, self.size), torch.tensor(split.targets, dtype=torch.int64))


def _downloaded(folder: Path) -> list[CIFAR10]:
    """Training and test split in torchvision's own files, which one process at a time downloads where they are not."""
    try:
        return [CIFAR10(folder, train=train) for train in (True, False)]
    except RuntimeError:  # they are not there, or not whole
        with turn(folder / "lock"):
            return [CIFAR10(folder, train=train, download=True) for train in (True, False)]


def _check_labels(rows: Rows) -> None:
    wrong = ((rows.labels < 0) | (rows.labels >= len(CLASSES))).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise UserError(
            f"{rows.path}, column label, row {row}: {int(rows.labels[row])} is no CIFAR-10 class",
            "Use a CIFAR-10 file with labels 0 to 9, or read another set with data: parquet.",
        )


@contextlib.contextmanager
def _quiet_network() -> Iterator[None]:
    """torchvision waits for ever on a silent network and draws its own progress bar: give it a time limit and none."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)
