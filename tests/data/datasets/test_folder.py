"""Folders in the ImageFolder layout, with and without a test split."""

import numpy as np
import pytest
import torch
from PIL import Image

from augstudy.core.errors import UserError
from augstudy.data.datasets.folder import Folder


@pytest.fixture(autouse=True)
def cache_elsewhere(tmp_path_factory, monkeypatch):
    """The test's own folder is a data set."""
    monkeypatch.setenv("AUGSTUDY_CACHE", str(tmp_path_factory.mktemp("cache")))


def fill(folder, counts, start=0):
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = np.full((20 + i, 30, 3), start + i, np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i:03}.png")
    return folder


@pytest.mark.parametrize("held_out", ["test", "val"])
def test_splits_on_disk_are_used(tmp_path, held_out):
    fill(tmp_path / "train", {"dog": 3, "cat": 2})
    fill(tmp_path / held_out, {"dog": 1, "cat": 1}, start=100)
    labelled = Folder(root=str(tmp_path), size=16).load()
    assert labelled.classes == ("cat", "dog")
    assert labelled.train.labels.tolist() == [0, 0, 1, 1, 1]
    assert labelled.train.images(torch.tensor([4, 0]))[:, 0, 8, 8].tolist() == [2, 0]
    assert labelled.test.images(torch.arange(2)).shape == (2, 3, 16, 16)
    assert labelled.test.images(torch.arange(2)).min() == 100
    assert held_out in labelled.note


def test_keyed_split_covers_each_class_once(tmp_path):
    fill(tmp_path, {"a": 10, "b": 5})
    first, again, other = (Folder(root=str(tmp_path), seed=s).load() for s in (0, 0, 1))
    assert first.train.labels.bincount().tolist() == [8, 4]
    assert first.test.labels.bincount().tolist() == [2, 1]
    files = [*first.train.decode.files, *first.test.decode.files]
    assert len(set(files)) == 15
    assert first.test.decode.files == again.test.decode.files != other.test.decode.files
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_hidden_and_foreign_files_are_not_looked_at(tmp_path):
    fill(tmp_path, {"a": 3, "b": 3})
    (tmp_path / ".cache").mkdir()
    (tmp_path / "a" / ".DS_Store.png").write_bytes(b"x")
    (tmp_path / "a" / "notes.txt").write_text("x")
    fill(tmp_path / "b", {".thumbnails": 2, "more": 2})
    labelled = Folder(root=str(tmp_path)).load()
    assert labelled.classes == ("a", "b")
    assert (labelled.train.labels.bincount() + labelled.test.labels.bincount()).tolist() == [3, 5]


def test_content_changes_the_fingerprint(tmp_path):
    fill(tmp_path, {"a": 3, "b": 3})
    before = Folder(root=str(tmp_path)).load().fingerprint
    assert Folder(root=str(tmp_path), size=16).load().fingerprint != before
    Image.new("RGB", (64, 64), "red").save(tmp_path / "a" / "000.png")
    assert Folder(root=str(tmp_path)).load().fingerprint != before


def test_a_file_that_breaks_after_it_was_looked_at_is_named(tmp_path):
    fill(tmp_path, {"a": 3, "b": 3})
    labelled = Folder(root=str(tmp_path)).load()
    path = labelled.train.decode.files[0]
    path.write_bytes(b"no image")
    with pytest.raises(UserError, match=f"{path.name} is not an image"):
        labelled.train.images(torch.arange(len(labelled.train)))
    path.unlink()
    with pytest.raises(UserError, match=f"{path.name} cannot be read"):
        labelled.train.images(torch.arange(len(labelled.train)))


def test_mistakes_are_named(tmp_path):
    with pytest.raises(UserError, match="root is not set"):
        Folder().load()
    with pytest.raises(UserError, match="there is no folder"):
        Folder(root=str(tmp_path / "none")).load()
    fill(tmp_path, {"a": 3})
    with pytest.raises(UserError, match="has 1 folders of images"):
        Folder(root=str(tmp_path)).load()
    fill(tmp_path, {"b": 0, "c": 0})
    with pytest.raises(UserError, match="classes without an image: b, c"):
        Folder(root=str(tmp_path)).load()


def test_pictures_beside_the_class_folders_belong_to_none_and_nested_ones_to_the_outermost(tmp_path):
    fill(tmp_path, {"a": 3, "b/deep/er": 3})
    Image.new("RGB", (9, 9)).save(tmp_path / "cover.png")
    labelled = Folder(root=str(tmp_path)).load()
    assert labelled.classes == ("a", "b")
    assert len(labelled.train) + len(labelled.test) == 6


def test_splits_with_other_classes_and_single_images_are_named(tmp_path):
    fill(tmp_path / "train", {"a": 1, "b": 1})
    fill(tmp_path / "test", {"a": 1, "d": 1})
    with pytest.raises(UserError, match="do not have the same classes: b, d"):
        Folder(root=str(tmp_path)).load()
    with pytest.raises(UserError, match="class 'a' has one image"):
        Folder(root=str(tmp_path / "train")).load()
