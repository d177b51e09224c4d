"""An array of crops: an ordinary npy file at any moment of its making, and mended when it is not."""

import io

import numpy as np
import pytest

from augstudy.core.errors import UserError

from .conftest import COUNT, SIZE, files_of


def test_the_header_is_the_one_that_numpy_writes(make):
    export, buffer = make("npy", "raw"), io.BytesIO()
    np.save(buffer, np.zeros((COUNT, SIZE, SIZE, 3), np.uint8))
    assert buffer.getvalue()[: len(export.shelf.header)] == export.shelf.header
    assert len(buffer.getvalue()) == export.shelf.whole


def test_a_header_lost_in_a_crash_is_written_again(unfinished, whole):
    """Killed after the disk was reserved and before the header: the file has its full length."""
    expected, export = whole("npy", "raw"), unfinished("npy", "raw")
    export.shelf.path.rename(export.shelf.unfinished)
    with export.shelf.unfinished.open("r+b") as file:
        file.write(bytes(len(export.shelf.header)))
    assert export().lost == ["crops.npy[0:20]"]
    assert files_of(export.folder) == expected


@pytest.mark.parametrize(
    ("harm", "lost"),
    [
        (lambda data: bytes(128) + data[128:], ["crops.npy[0:20]"]),
        (lambda data: data[:-1], ["crops.npy[40:57]"]),
        (lambda data: data + b"!", ["crops.npy[40:57]"]),
        (lambda data: data[: len(data) // 2], ["crops.npy[20:40]", "crops.npy[40:57]"]),
    ],
    ids=["header", "short", "long", "half"],
)
def test_a_finished_array_that_was_harmed_is_found_and_mended(make, harm, lost):
    export = make("npy", "raw")
    export()
    expected, path = files_of(export.folder), export.folder / "crops.npy"
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(UserError, match="is damaged: missing, of another length, or without its header"):
        export.verify()
    assert export().lost == lost
    assert files_of(export.folder) == expected
    export.verify()
