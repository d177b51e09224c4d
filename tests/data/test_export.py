"""Laws of an export: one number one crop, equal bytes however often it was killed, and nothing half-written."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from augstudy.core.errors import UserError
from augstudy.data import export as exporting
from augstudy.data import shards
from augstudy.data.corpus import Corpus, Recipe
from augstudy.data.encoding import Encoding, to_bytes
from augstudy.data.export import Export
from augstudy.data.images import find_image, load_image
from augstudy.data.shards import FORMATS, members

COUNT, SIZE = 57, 16
WAYS = [("webdataset", "jpeg"), ("webdataset", "raw"), ("folder", "png"), ("npy", "raw")]
KINDS = (("webdataset", "jpeg"), ("folder", "png"), ("npy", "raw"))
ways = pytest.mark.parametrize(("form", "encoding"), WAYS)
DYING = """
import json, os, resource, signal, sys, traceback
from pathlib import Path
from augstudy.data import export, ledger, shards
from augstudy.data.corpus import Corpus, Recipe
from augstudy.data.encoding import Encoding
from augstudy.data.images import find_image, load_image
used = find_image("coffee")

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def after(call):
    return lambda *args, **kwargs: (call(*args, **kwargs), die())

def go(out, form, encoding, moment):
    if moment == "begun":
        shards.FORMATS[form].prepare = die
    elif moment == "part in place":
        ledger.Ledger.note = die
    elif moment == "part noted":
        ledger.Ledger.note = after(ledger.Ledger.note)
    elif moment == "all noted":
        ledger.Ledger.close = die
    elif moment == "manifest written":
        ledger.write_json = after(ledger.write_json)
    elif moment == "file too large":
        resource.setrlimit(resource.RLIMIT_FSIZE, (20000, -1))
    image = load_image(used.path)  # here: OpenMP, once used, hangs in a process forked after it
    corpus = Corpus(image, Recipe(count=57, size=16))
    made = export.Export(corpus, [used], Path(out), form, Encoding(encoding), 20)
    made(lambda done, total: die() if moment == "within a part" and done == 50 else None)

export.PIXELS = 2560  # ten crops at a time
for words in json.loads(sys.argv[1]):  # each in a process of its own that dies, the imports shared
    if not os.fork():
        try:
            go(*words)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""
MOMENTS = ("begun", "within a part", "part in place", "part noted", "all noted", "manifest written")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(exporting, "PIXELS", 10 * SIZE * SIZE)


@pytest.fixture
def make(tmp_path):
    """`make("npy", "raw")` -> an export of 57 crops of a picture in parts of 20."""
    used = find_image("coffee")
    image = load_image(used.path)

    def made(form="webdataset", encoding="jpeg", folder="out", count=COUNT, seed=0, shard_size=20, **recipe):
        corpus = Corpus(image, Recipe(count=count, size=SIZE, **recipe), seed)
        return Export(corpus, [used], tmp_path / folder, form, Encoding(encoding), shard_size)

    return made


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def crops_of(export):
    """Every crop of an export by its number, read with other people's tools."""
    if export.format == "npy":
        return dict(enumerate(torch.from_numpy(np.load(export.folder / "crops.npy")).permute(0, 3, 1, 2)))
    if export.format == "folder":
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


# What is written


@ways
def test_other_tools_read_every_crop_once_and_it_is_the_crop_of_its_number(make, form, encoding):
    export = make(form, encoding)
    seen = []
    assert export(lambda done, total: seen.append((done, total)))
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
def test_a_crop_does_not_depend_on_the_count_the_batch_or_the_threads(make, monkeypatch, form, encoding):
    few, many = make(form, encoding, "few", count=23), make(form, encoding, "many")
    few()
    monkeypatch.setattr(exporting, "PIXELS", 1)
    monkeypatch.setattr(exporting.os, "cpu_count", lambda: 3)
    many()
    found = crops_of(many)
    assert all(torch.equal(picture, found[i]) for i, picture in crops_of(few).items())


@ways
def test_a_second_run_does_nothing_and_a_second_folder_has_the_same_bytes(make, form, encoding):
    first, second = make(form, encoding), make(form, encoding, "other")
    assert first()
    files = files_of(first.folder)
    assert not first(lambda done, total: pytest.fail("made a crop again"))
    assert second()
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


# Killed and resumed


@pytest.fixture
def whole(make):
    """`whole("npy", "raw")` -> the files of an export that was never disturbed."""

    def made(form, encoding):
        export = make(form, encoding, f"whole {form}")
        export()
        return files_of(export.folder)

    return made


def dying(*exports):
    """Run exports, each (folder, format, encoding, moment of its death): their exit codes, and what they said."""
    done = subprocess.run(
        [sys.executable, "-c", DYING, json.dumps(exports)], capture_output=True, text=True, timeout=200
    )
    return [int(code) for code in done.stdout.split()], done.stderr


def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(make, whole, tmp_path):
    """Each process goes on where the one before was killed, and is killed at the next moment."""
    deaths = [(str(tmp_path / form), form, encoding, moment) for form, encoding in KINDS for moment in MOMENTS]
    alone = [(f"{folder}, {moment}", *rest, moment) for folder, *rest, moment in deaths]
    codes, said = dying(*deaths, *alone)
    assert codes == [-signal.SIGKILL] * len(deaths + alone), said
    for folder, form, encoding, moment in alone:
        export = make(form, encoding, folder)
        assert export() == (moment != "manifest written")
        assert files_of(export.folder) == whole(form, encoding), (form, moment)
    for form, encoding in KINDS:
        export = make(form, encoding, form)
        assert not export()
        assert files_of(export.folder) == whole(form, encoding)


@pytest.mark.slow
@pytest.mark.parametrize(("form", "encoding"), WAYS)
def test_killed_at_random_it_goes_on_to_the_same_bytes(tmp_path, form, encoding):
    words = ["crops", "coffee", "--count", "20000", "--size", "32", "--shard-size", "700", "--format", form]
    words = [sys.executable, "-c", "from augstudy.cli import main; main()", *words, "--encoding", encoding]
    subprocess.run([*words, "--out", str(tmp_path / "whole")], check=True, capture_output=True)
    killed = 0
    for pause in (3.0, 3.5, 4.1, 5.0, 6.2):
        process = subprocess.Popen([*words, "--out", str(tmp_path / "out")], stdout=subprocess.DEVNULL)
        time.sleep(pause)
        process.kill()
        killed += process.wait() == -signal.SIGKILL
    assert killed
    subprocess.run([*words, "--out", str(tmp_path / "out"), "--verify"], check=True, capture_output=True)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_a_line_cut_in_the_middle_is_a_part_that_is_made_again(make, monkeypatch, whole):
    export = make()
    monkeypatch.setattr(type(export.ledger), "close", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        export()
    monkeypatch.undo()
    progress = export.folder / "progress.jsonl"
    progress.write_bytes(progress.read_bytes()[:-30])
    assert export()
    export.verify()


# What cannot be done is said in two lines


@pytest.fixture
def full(monkeypatch):
    """`full(n)`: the disk is full once n tallies were written; `full(None)`: there is room again."""
    usual, seen = shards.Tally.__call__, [0]

    def until(limit):
        def call(self, content):
            seen[0] += 1
            if limit is not None and seen[0] > limit:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return usual(self, content)

        monkeypatch.setattr(shards.Tally, "__call__", call)

    return until


@ways
@pytest.mark.parametrize("limit", [0, 4])
def test_a_disk_that_fills_leaves_nothing_half_written(make, full, whole, form, encoding, limit):
    expected, export = whole(form, encoding), make(form, encoding)
    threads = torch.get_num_threads()
    full(limit if form != "folder" else 12 * limit)
    with pytest.raises(UserError, match=r"failed after [\d]+ of 57 crops \(No space left on device\)") as error:
        export()
    assert "run the same again" in error.value.fix
    assert torch.get_num_threads() == threads
    assert not [path for path in export.folder.rglob("*") if "tmp" in path.name]
    assert not (export.folder / "crops.npy").exists()
    noted = (export.folder / "progress.jsonl").read_text().splitlines()[1:]
    parts = [*export.folder.glob("shard-*"), *export.folder.glob("crops/0*")]
    assert form == "npy" or len(parts) == len(noted)
    full(None)
    assert export()
    assert files_of(export.folder) == expected


def test_a_file_size_limit_of_the_system_is_told_and_survived(tmp_path, whole, make):
    """A write that the system itself refuses, in the middle of a shard."""
    codes, said = dying((str(tmp_path / "out"), "webdataset", "jpeg", "file too large"))
    assert codes == [1]
    assert "UserError" in said
    assert "File too large" in said
    assert not list((tmp_path / "out").glob(".shard*"))
    expected = whole("webdataset", "jpeg")
    assert make()()
    assert files_of(tmp_path / "out") == expected


@ways
def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(make, monkeypatch, form, encoding):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(exporting.shutil, "disk_usage", lambda path: usage(1, 1, 1000))
    export = make(form, encoding)
    with pytest.raises(UserError, match=r"GB free, and this export needs about"):
        export()
    assert not list(export.folder.iterdir())
    monkeypatch.undo()
    assert export()


@pytest.mark.parametrize("finished", [True, False])
def test_other_settings_in_the_same_folder_are_refused(make, monkeypatch, finished):
    export = make()
    if not finished:
        monkeypatch.setattr(type(export.ledger), "close", lambda *args: None)
    export()
    files = files_of(export.folder)
    changes = {"seed": 1, "rotation": 3.0, "count": 60, "encoding": "png", "shard_size": 21}
    for key, value in changes.items():
        with pytest.raises(UserError, match=rf"another export: (recipe\.)?{key} is .* there, {value} here"):
            make(**{key: value})()
    with pytest.raises(UserError, match="another export: format is webdataset there, folder here"):
        make("folder")()
    assert files_of(export.folder) == files


def test_an_export_is_not_finished_with_another_version(make, monkeypatch):
    export = make()
    monkeypatch.setattr(type(export.ledger), "close", lambda *args: None)
    export()
    monkeypatch.undo()
    monkeypatch.setattr(exporting, "version", lambda name: "0.0")
    with pytest.raises(UserError, match=r"was begun with .*torch .* but here is augstudy 0\.0"):
        make()()


def test_a_folder_with_other_things_in_it_is_refused(make):
    export = make()
    export.folder.mkdir()
    (export.folder / "thesis.txt").write_text("")
    with pytest.raises(UserError, match="not empty and holds no export"):
        export()


def test_two_exports_do_not_write_into_one_folder(make):
    export = make()
    export.folder.mkdir()
    with export.ledger.locked(), pytest.raises(UserError, match="another export is writing"):
        export()
    assert export()


def test_a_folder_that_cannot_be_made_is_told(make, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UserError, match=r"out failed after 0 of 57 crops"):
        make()()


def test_an_array_holds_no_jpegs(make):
    with pytest.raises(UserError, match="format npy holds raw pixels, not jpeg"):
        make("npy", "jpeg")
    with pytest.raises(UserError, match="format"):
        make("tar")


# Verified


@ways
def test_a_changed_byte_is_found(make, form, encoding):
    export = make(form, encoding)
    export()
    path = next(path for path in sorted(export.folder.rglob("*")) if path.is_file() and path.name != "manifest.json")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="damaged: its checksum"):
        export.verify()
    path.unlink()
    with pytest.raises(UserError, match=r"damaged|cannot be read"):
        export.verify()


def test_a_crop_that_is_made_otherwise_today_is_found(make, monkeypatch):
    export = make()
    export()
    usual = Export._files
    monkeypatch.setattr(Export, "_files", lambda self, numbers: usual(self, [n + 1 for n in numbers]))
    with pytest.raises(UserError, match=r"crop 0 in .* is not the one"):
        export.verify()


def test_there_is_a_shelf_for_every_format():
    assert sorted(FORMATS) == ["folder", "npy", "webdataset"]
