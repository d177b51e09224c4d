"""CIFAR-10 from Parquet or from torchvision's copy, and what is said when there is neither."""

import errno
import io
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from email.message import Message
from urllib.error import HTTPError

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from augstudy.core.errors import UserError
from augstudy.data.datasets import cifar10
from augstudy.data.datasets.cifar10 import CLASSES, Cifar10


def write(folder, kind="PNG", labels=tuple(range(10))):
    folder.mkdir(parents=True)
    for split in ("train", "test"):
        cells = []
        for label in labels:
            buffer = io.BytesIO()
            Image.fromarray(np.full((32, 32, 3), 20 * label, np.uint8)).save(buffer, kind)
            cells.append({"bytes": buffer.getvalue(), "path": f"{label}.png"})
        pq.write_table(pa.table({"img": cells, "label": list(labels)}), folder / f"{split}.parquet")
    return folder


@pytest.mark.parametrize(("kind", "note"), [("PNG", "CIFAR-10"), ("JPEG", "CIFAR-10 re-encoded as JPEG")])
def test_parquet_in_root_and_its_encoding_is_said(tmp_path, kind, note):
    labelled = Cifar10(root=str(write(tmp_path / "c", kind))).load()
    assert labelled.note == note
    assert labelled.classes == CLASSES
    assert labelled.train.images(torch.tensor([4]))[0, 0, 0, 0] == 80
    assert labelled.test.labels.tolist() == list(range(10))


def test_parquet_in_the_data_folder_and_other_sizes(tmp_path, monkeypatch):
    write(tmp_path / "cifar10")
    monkeypatch.setenv("AUGSTUDY_DATA", str(tmp_path))
    assert Cifar10(size=48).load().train.images(torch.tensor([0, 1])).shape == (2, 3, 48, 48)


def test_label_out_of_range_is_named(tmp_path):
    folder = write(tmp_path / "c", labels=(0, 1, 12))
    with pytest.raises(UserError, match=r"train.parquet, column label, row 2: 12 is no CIFAR-10 class"):
        Cifar10(root=str(folder)).load()


class Copy:
    """torchvision's CIFAR10, without its download."""

    tgz_md5 = "0"

    def __init__(self, folder, train, download=False):
        if not download:
            raise RuntimeError("Dataset not found or corrupted.")
        print("Downloading")
        assert socket.getdefaulttimeout() == cifar10.TIMEOUT
        self.data = np.full((4, 32, 32, 3), 9, np.uint8)
        self.targets = [0, 1, 2, 3] if train else [3, 2, 1, 0]


def test_copy_of_torchvision_is_used_quietly(monkeypatch, capfd):
    monkeypatch.setattr(cifar10, "CIFAR10", Copy)
    before = socket.getdefaulttimeout()
    labelled = Cifar10(size=16).load()
    assert labelled.test.labels.tolist() == [3, 2, 1, 0]
    assert labelled.train.images(torch.tensor([1])).shape == (1, 3, 16, 16)
    assert socket.getdefaulttimeout() == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("problem", [OSError("refused"), RuntimeError("File not found or corrupted."), OSError()])
def test_offline_is_two_lines(monkeypatch, problem):
    def fail(*args, **kwargs):
        raise problem

    monkeypatch.setattr(cifar10, "CIFAR10", fail)
    with pytest.raises(UserError, match="cannot be downloaded") as error:
        Cifar10().load()
    assert len(str(error.value).split("\n")) == 2


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_cache_that_cannot_be_written_is_no_reason_to_look_at_other_data(monkeypatch, code):
    def fail(*args, **kwargs):
        raise OSError(code, os.strerror(code), "cifar-10-python.tar.gz")

    monkeypatch.setattr(cifar10, "CIFAR10", fail)
    with pytest.raises(OSError, match="cifar-10-python"):
        Cifar10().load()


def test_an_answer_of_the_server_is_not_about_the_disk(monkeypatch):
    def fail(*args, **kwargs):
        raise HTTPError("https://example.org/cifar", 404, "Not Found", Message(), None)

    monkeypatch.setattr(cifar10, "CIFAR10", fail)
    with pytest.raises(UserError, match="cannot be downloaded"):
        Cifar10().load()


def test_two_who_need_it_at_once_download_it_once(tmp_path, monkeypatch):
    downloads = []

    class Slow:
        def __init__(self, folder, train, download=False):
            if not download:
                raise RuntimeError("Dataset not found or corrupted.")
            if not downloads:  # else it is there
                time.sleep(0.3)
                downloads.append(train)

    monkeypatch.setattr(cifar10, "CIFAR10", Slow)
    with ThreadPoolExecutor(2) as pool:  # the network's time limit is the process's own, and not for threads to share
        list(pool.map(cifar10._downloaded, [tmp_path, tmp_path]))
    assert downloads == [True]


def test_real_data(real_data):
    if not (real_data / "cifar10" / "train.parquet").is_file():
        pytest.skip("no CIFAR-10 in AUGSTUDY_DATA")
    labelled = Cifar10().load()
    assert (len(labelled.train), len(labelled.test)) == (50_000, 10_000)
    assert torch.equal(labelled.test.labels.bincount(), torch.full((10,), 1000))
    assert 90 < labelled.train.images(torch.arange(200)).float().mean() < 150
