"""What an export knows of itself: the same one goes on, another one is refused, and damage is told in two lines."""

import errno
import fcntl
import json
import os
import stat

import pytest

from augstudy.core import lock
from augstudy.core.errors import UserError
from augstudy.data import export as exporting

from .conftest import COUNT, files_of


@pytest.fixture
def elsewhere(monkeypatch):
    """`elsewhere(cpu="z80")`: from now on, on another processor."""
    usual = exporting.made_with
    return lambda **other: monkeypatch.setattr(exporting, "made_with", lambda device: usual(device) | other)


@pytest.mark.parametrize("finished", [True, False])
def test_other_settings_in_the_same_folder_are_refused(make, unfinished, finished):
    export = (make if finished else unfinished)()
    export() if finished else None
    files = files_of(export.folder)
    changes = {"seed": 1, "rotation": 3.0, "count": 60, "encoding": "png", "shard_size": 21}
    for key, value in changes.items():
        with pytest.raises(UserError, match=rf"another export: (recipe\.)?{key} is .* there, {value} here"):
            make(**{key: value})()
    with pytest.raises(UserError, match="another export: format is webdataset there, folder here"):
        make("folder")()
    assert files_of(export.folder) == files


def test_an_export_is_not_finished_with_another_version(make, unfinished, elsewhere):
    unfinished()
    elsewhere(numba="0.1")
    with pytest.raises(UserError, match=r"begun with other versions: numba [\d.]+ there, 0\.1 here"):
        make()()


def test_a_finished_export_is_finished_whatever_the_version(make, elsewhere):
    make()()
    elsewhere(cpu="z80")
    assert make()().made == 0
    (differing,) = make().verify()
    assert differing.startswith("cpu ")
    assert differing.endswith(" there, z80 here")


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
    assert export().made == COUNT


def test_the_lock_is_a_file_open_for_writing_which_is_all_that_nfs_locks(make, monkeypatch):
    usual, modes = lock.fcntl.flock, []

    def nfs(handle, operation):
        number = handle if isinstance(handle, int) else handle.fileno()
        mode = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE
        if not stat.S_ISREG(os.fstat(number).st_mode) or mode == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        modes.append(mode)
        usual(handle, operation)

    monkeypatch.setattr(lock.fcntl, "flock", nfs)
    export = make()
    assert export().made == COUNT
    assert modes[0] == os.O_WRONLY  # the export's; files that are being written have locks of their own


def test_a_lock_that_a_killed_export_left_behind_bars_nobody_and_goes(make):
    export = make()
    export.folder.mkdir()
    (export.folder / ".lock").touch()
    assert export().made == COUNT
    assert not (export.folder / ".lock").exists()


def test_a_lock_taken_away_while_it_was_being_opened_is_no_lock(make, monkeypatch):
    """Its holder ended between our open and our flock: the next export would lock another file."""
    export, usual = make(), lock.fcntl.flock
    export.folder.mkdir()

    def late(handle, operation):
        (export.folder / ".lock").unlink()
        usual(handle, operation)

    monkeypatch.setattr(lock.fcntl, "flock", late)
    with pytest.raises(UserError, match="another export is writing"):
        export()


def test_a_line_cut_in_the_middle_is_a_part_that_is_made_again(unfinished):
    export = unfinished()
    progress = export.folder / "progress.jsonl"
    progress.write_bytes(progress.read_bytes()[:-30])
    assert export().made == 17
    export.verify()


def no_settings(record):
    del record["settings"]


def no_checksum(record):
    del record["parts"][0]["sha256"]


def no_parts(record):
    record["parts"] = 3


@pytest.mark.parametrize("harm", [no_settings, no_checksum, no_parts])
def test_a_record_with_something_missing_is_told(make, harm):
    export = make()
    export()
    record = json.loads(export.ledger.manifest.read_text())
    harm(record)
    export.ledger.manifest.write_text(json.dumps(record))
    for go in (export, export.verify):
        with pytest.raises(UserError, match=r"manifest\.json is damaged, or no record of an export"):
            go()


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '{"name": "webmanifest"}', "null"])
@pytest.mark.parametrize("name", ["manifest.json", "progress.jsonl"])
def test_a_record_that_is_none_is_told(make, name, content):
    export = make()
    export.folder.mkdir()
    (export.folder / name).write_text(content + "\n")
    with pytest.raises(UserError, match=rf"{name} is damaged, or no record of an export") as caught:
        export()
    assert "--out" in caught.value.fix
    assert files_of(export.folder) == {name: f"{content}\n".encode()}
