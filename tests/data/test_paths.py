"""A folder's image files: the same order everywhere, odd names and links, little memory."""

import os
import pickle
import tracemalloc
from pathlib import Path

import pytest

from augstudy.core import notes, progress
from augstudy.core.errors import UserError
from augstudy.data import paths
from augstudy.data.paths import Paths, image_files


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * len(name))


def names(found: Paths) -> list[str]:
    return [name for name, _ in found.listed()]


def test_the_order_is_that_of_sorted_paths(tmp_path):
    touch(tmp_path, "b/2.png", "b/1.PNG", "a-c/1.jpg", "a/x.jpg", "a/y/z.jpg", "a/y.jpg", "a b.gif", "0.heic", "n.txt")
    found = image_files(tmp_path)
    everything = [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".txt"]
    assert list(found) == sorted(everything)
    assert found.sizes.tolist() == [len(name) for name in names(found)]
    assert list(image_files(tmp_path, "a")) == [p for p in found if p.is_relative_to(tmp_path / "a")]


def test_some_of_them_share_their_names_and_travel(tmp_path):
    touch(tmp_path, *(f"{i}.png" for i in range(5)))
    some = image_files(tmp_path).chosen([3, 1])
    assert names(some) == ["3.png", "1.png"] == [path.name for path in some]
    assert pickle.loads(pickle.dumps(some)) == some != image_files(tmp_path)
    assert names(some[1:]) == ["1.png"]


def test_the_stamp_tells_that_a_file_was_written_to(tmp_path):
    touch(tmp_path, "a.png", "b.png")
    before = image_files(tmp_path)
    assert before.stamp == image_files(tmp_path).chosen([0]).stamp
    os.utime(tmp_path / "b.png", ns=(0, -1))  # before 1970
    after = image_files(tmp_path)
    assert after.stamp != before.stamp
    assert (after.content, after) == (before.content, before)  # by which a set is named in the hashes of runs


@pytest.mark.parametrize("name", [b"a b.png", b"a\nb.png", b"\xff\xfe.png", "é猫.png".encode(), b"a'$(b);.png"])
def test_any_name_is_found_again(tmp_path, name):
    touch(tmp_path, os.fsdecode(name))
    (found,) = image_files(tmp_path)
    assert found.read_bytes()
    assert os.fsencode(found.name) == name


def test_hidden_files_are_not_seen_and_links_are_followed(tmp_path):
    touch(tmp_path, "in/a.png", "in/.b.png", ".cache/c.png", "out/d.png")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "out")
    (tmp_path / "in" / "e.png").symlink_to(tmp_path / "out" / "d.png")
    assert names(image_files(tmp_path / "in")) == ["a.png", "e.png", "link/d.png"]


def test_a_link_to_nothing_is_a_file_that_is_missed(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    found = image_files(tmp_path)
    assert names(found) == ["a.png", "self.png"]
    assert found.sizes.tolist() == [-1, -1]


def test_links_that_loop_end_and_are_told_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(notes, "_said", set())
    touch(tmp_path, "a/b/x.png")
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "here").symlink_to(".", target_is_directory=True)
    assert names(image_files(tmp_path)) == ["a/b/x.png"]
    assert len(caplog.messages) == 1
    assert "leads back to a folder" in caplog.messages[0]


def test_what_is_no_file_is_not_in_the_list(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    assert not len(image_files(tmp_path))


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(paths.os, "scandir", refuse)
    with pytest.raises(UserError, match=r"cannot be listed .Permission denied"):
        image_files(tmp_path)


def test_memory_grows_by_little_more_than_the_names(tmp_path, monkeypatch):
    count = 60_000
    every = ((f"n{i // 1000:04}/{i:08}.jpg", 5, i) for i in range(count))
    monkeypatch.setattr(paths, "_walk", lambda root, below: every)
    tracemalloc.start()
    found = image_files(tmp_path)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == count
    assert kept / count < 50  # bytes a file: 18 of its name, 8 each for its end, size and number
    assert peak / count < 120


def test_progress_is_told(tmp_path, monkeypatch):
    told: list[tuple[int, int]] = []

    class Shown:
        def __init__(self, what: str) -> None:
            assert str(tmp_path) in what

        def __enter__(self):
            return lambda done, total: told.append((done, total))

        def __exit__(self, *error: object) -> None:
            told.append((-1, -1))

    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "PACE", 0.0)
    monkeypatch.setattr(progress, "_show", [Shown])
    touch(tmp_path, "a.png", "b.png")
    image_files(tmp_path)
    assert told == [(1, 0), (2, 0), (-1, -1)]
