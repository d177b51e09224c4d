"""Laws of an export: one number one crop, whatever the format, the batch and the threads; a lost part comes back."""

import io
import json
import shutil
import tarfile
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from augstudy.core.errors import UserError
from augstudy.data import export as exporting
from augstudy.data.encoding import to_bytes
from augstudy.data.export import Done, Export

from .conftest import COUNT, SIZE, files_of, ways


def crops_of(export):
    """Every crop of an export by its number, read with other people's tools."""
    if export.form == "npy":
        return dict(enumerate(torch.from_numpy(np.load(export.folder / "crops.npy")).permute(0, 3, 1, 2)))
    if export.form == "folder":
        paths = [Path(path) for path, _ in ImageFolder(str(export.folder)).samples]
        found = {int(path.stem): path.read_bytes() for path in paths}
    else:
        found = {}
        for path in sorted(export.folder.glob("*.tar")):
            with tarfile.open(path) as tar:
                inside = {int(Path(m.name).stem): tar.extractfile(m).read() for m in tar}
            assert not found.keys() & inside.keys()
            found |= inside
    pictures = {i: np.asarray(Image.open(io.BytesIO(file))).copy() for i, file in found.items()}
    return {i: torch.from_numpy(picture).permute(2, 0, 1) for i, picture in pictures.items()}


@ways
def test_other_tools_read_every_crop_once_and_it_is_the_crop_of_its_number(make, form, encoding):
    export = make(form, encoding)
    seen = []
    assert export(lambda done, total: seen.append((done, total))) == Done(COUNT, [])
    assert seen == sorted(seen)
    assert seen[-1] == (COUNT, COUNT)
    found = crops_of(export)
    assert sorted(found) == list(range(COUNT))
    expected = to_bytes(export.corpus.batch(torch.arange(COUNT)))
    for i, picture in found.items():
        away = (picture.float() - expected[i].float()).abs()
        assert away.mean() < (12 if encoding == "jpeg" else 1e-6)
    export.verify()


@ways
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_crop_does_not_depend_on_the_count_the_batch_or_the_threads(make, monkeypatch, form, encoding, threads):
    few, many = make(form, encoding, "few", count=23), replace(make(form, encoding, "many"), threads=threads)
    few()
    monkeypatch.setattr(exporting, "PIXELS", 1)
    seen = set()
    usual = Export._files
    monkeypatch.setattr(Export, "_files", lambda *args: (seen.add(threading.current_thread()), usual(*args))[1])
    many()
    assert (1 if threads == 1 else 2) <= len(seen - {threading.main_thread()}) <= threads
    found = crops_of(many)
    assert all(torch.equal(picture, found[i]) for i, picture in crops_of(few).items())


@ways
def test_a_second_run_does_nothing_and_a_second_folder_has_the_same_bytes(make, form, encoding):
    first, second = make(form, encoding), make(form, encoding, "other")
    assert first().made == COUNT
    files = files_of(first.folder)
    assert first(lambda done, total: pytest.fail("made a crop again")) == Done(0, [])
    second()
    assert files_of(first.folder) == files == files_of(second.folder)


def test_the_manifest_tells_what_was_made_and_from_what(make):
    export = make()
    export()
    manifest = json.loads((export.folder / "manifest.json").read_text())
    assert manifest["settings"]["recipe"]["size"] == SIZE
    assert manifest["settings"]["images"] == [{"name": "coffee", "sha256": export.images[0].sha256}]
    assert [part["crops"] for part in manifest["parts"]] == [20, 20, 17]
    assert manifest["made_with"]["torch"]
    assert manifest["bytes"] == sum(path.stat().st_size for path in export.folder.glob("*.tar"))


def test_a_folder_is_one_class_in_folders_of_limited_length(make):
    export = make("folder")
    export()
    data = ImageFolder(str(export.folder))
    assert data.classes == ["crops"]
    assert len(data) == COUNT
    assert sorted(path.name for path in (export.folder / "crops").iterdir()) == ["000000", "000001", "000002"]


def test_an_array_is_an_ordinary_npy_file(make):
    export = make("npy", "raw")
    export()
    array = np.load(export.folder / "crops.npy", mmap_mode="r")
    assert array.shape == (COUNT, SIZE, SIZE, 3)
    assert array.dtype == np.uint8


# What was lost comes back


def first_part(export):
    return next(path for path in (export.folder / "shard-000000.tar", export.folder / "crops/000000") if path.exists())


@pytest.mark.parametrize(("form", "encoding"), [("webdataset", "jpeg"), ("folder", "png")])
@pytest.mark.parametrize("finished", [True, False])
def test_a_part_that_is_missing_or_short_is_made_again(make, unfinished, whole, form, encoding, finished):
    expected = whole(form, encoding)
    export = (make if finished else unfinished)(form, encoding)
    export() if finished else None
    part = first_part(export)
    shutil.rmtree(part) if part.is_dir() else part.unlink()
    assert export() == Done(20, [export.shelf.name(export.parts[0])])
    assert files_of(export.folder) == expected
    part = first_part(export)
    file = next(part.iterdir()) if part.is_dir() else part
    file.write_bytes(file.read_bytes()[:-1])
    assert export() == Done(20, [export.shelf.name(export.parts[0])])
    assert files_of(export.folder) == expected


def test_a_file_of_the_users_is_never_deleted_and_costs_no_part(make):
    export = make("folder", "png")
    export()
    own = export.folder / "crops/000000/labels.csv"
    own.write_text("mine")
    assert export() == Done(0, [])
    (export.folder / "crops/000000/000000003.png").unlink()
    with pytest.raises(UserError, match=r"000000 must be made again, but holds labels.csv, which is no crop"):
        export()
    assert own.read_text() == "mine"
    own.unlink()
    assert export().made == 20
    export.verify()


# What cannot be done is said in two lines


@ways
def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(make, monkeypatch, form, encoding):
    export = make(form, encoding)
    with monkeypatch.context() as small:
        small.setattr(exporting.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
        with pytest.raises(UserError, match=r"GB free, and this export needs about"):
            export()
    assert not list(export.folder.iterdir())
    assert export().made == COUNT


def test_a_folder_that_cannot_be_made_is_told(make, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UserError, match=r"out failed after 0 of 57 crops"):
        make()()


def test_an_array_holds_no_jpegs(make):
    with pytest.raises(UserError, match="format npy holds raw pixels, not jpeg"):
        make("npy", "jpeg")
    with pytest.raises(UserError, match="format"):
        make("tar")
