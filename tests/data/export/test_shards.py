"""Tar shards are the bytes that tarfile writes, and every format has its shelf."""

import io
import tarfile

import pytest

from augstudy.data.shards import FORMATS, members


@pytest.mark.parametrize("lengths", [[0], [1, 511, 512, 513], list(range(700, 760))])
def test_a_tar_has_the_bytes_that_tarfile_writes(lengths):
    files, buffer = [bytes([n % 256]) * n for n in lengths], io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number, file in enumerate(files, 123_456_700):
            info = tarfile.TarInfo(f"{number:09d}.jpg")
            info.size = len(file)
            tar.addfile(info, io.BytesIO(file))
    ours = members(123_456_700, files, ".jpg")
    assert buffer.getvalue()[: len(ours)] == ours
    assert not any(buffer.getvalue()[len(ours) :])


def test_there_is_a_shelf_for_every_format():
    assert sorted(FORMATS) == ["folder", "npy", "webdataset"]
