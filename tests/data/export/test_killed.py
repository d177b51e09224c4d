"""Killed at any moment, or stopped by a full disk, an export goes on to the bytes of an undisturbed one."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.data import shelf

from .conftest import WAYS, files_of, ways

KINDS = (("webdataset", "jpeg"), ("folder", "png"), ("npy", "raw"))
DYING = """
import json, os, resource, signal, sys, traceback
import torch
from pathlib import Path
from augstudy.data import export, ledger, shards
from augstudy.data.corpus import Corpus, Recipe
from augstudy.data.encoding import Encoding
from augstudy.data.images import find_image, load_image
torch.set_num_threads(1)  # before any work: OpenMP's threads, once there, hang in a process forked after them
used = find_image("coffee")
image = load_image(used.path)
Corpus(image, Recipe(count=57, size=16)).batch(torch.arange(57))  # compiled code is loaded once for all

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
        assert bool(export().made) == (moment not in ("all noted", "manifest written"))
        assert files_of(export.folder) == whole(form, encoding), (form, moment)
    for form, encoding in KINDS:
        export = make(form, encoding, form)
        assert not export().made
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


@pytest.fixture
def full(monkeypatch):
    """`full(n)`: the disk is full once n tallies were written; `full(None)`: there is room again."""
    usual, seen = shelf.Tally.__call__, [0]

    def until(limit):
        def call(self, content):
            seen[0] += 1
            if limit is not None and seen[0] > limit:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return usual(self, content)

        monkeypatch.setattr(shelf.Tally, "__call__", call)

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
    export()
    assert files_of(export.folder) == expected


@pytest.mark.slow
def test_a_file_size_limit_of_the_system_is_told_and_survived(tmp_path, whole, make):
    """A write that the system itself refuses, in the middle of a shard."""
    codes, said = dying((str(tmp_path / "out"), "webdataset", "jpeg", "file too large"))
    assert codes == [1]
    assert "UserError" in said
    assert "File too large" in said
    assert not list((tmp_path / "out").glob(".shard*"))
    expected = whole("webdataset", "jpeg")
    make()()
    assert files_of(tmp_path / "out") == expected
