"""Laws of the results folder: files are whole or not there, names are stable, and its errors say what to do."""

import errno
import hashlib
import json
import os
import tempfile
from pathlib import Path

import pytest

from augstudy.core.errors import UserError
from augstudy.core.store import (
    StudyFolder,
    digest,
    from_here,
    read_json,
    read_yaml,
    replacing,
    write_json,
    write_text,
    write_yaml,
)


def test_a_failing_block_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "record.json"
    path.write_text("old")

    def interrupted():
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_is_there_until_the_block_ends(tmp_path):
    path = tmp_path / "record.json"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent  # a rename across file systems would not be atomic
        assert temporary.suffix == path.suffix  # savers such as numpy's append a missing suffix
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_an_error_of_the_disk_names_the_file_that_was_to_be_written(tmp_path, number):
    path = tmp_path / "table.csv"
    with pytest.raises(OSError, match=r"table\.csv") as caught, replacing(path):
        raise OSError(number, os.strerror(number))  # as write(2) does
    assert caught.value.filename == str(path)
    with pytest.raises(FileNotFoundError) as caught, replacing(path) as temporary:
        temporary.unlink()  # as somebody else might, so that it cannot be forced to the disk
    assert caught.value.filename == str(path)


def test_a_folder_that_may_not_be_written_names_the_file_too(tmp_path, monkeypatch):
    def refuse(dir: Path, prefix: str, suffix: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", f"{dir}/{prefix}x{suffix}")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(PermissionError) as caught:
        write_text(tmp_path / "table.csv", "")
    assert caught.value.filename == str(tmp_path / "table.csv")


@pytest.mark.parametrize(
    "error",
    [
        OSError("cannot write mode F as PNG"),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        FileNotFoundError(errno.ENOENT, "No such file", "the other file"),
    ],
)
def test_what_else_goes_wrong_in_the_block_is_not_blamed_on_the_file(tmp_path, error):
    named = error.filename
    with pytest.raises(type(error)) as caught, replacing(tmp_path / "table.csv"):
        raise error
    assert caught.value is error
    assert caught.value.filename == named
    assert not list(tmp_path.iterdir())


def test_written_files_are_readable_by_others_and_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "table.md"
    write_text(path, "Übung\n")
    assert path.read_text(encoding="utf-8") == "Übung\n"
    assert path.stat().st_mode & 0o777 == 0o644


def test_json_and_yaml_come_back_as_they_were(tmp_path):
    value = {"top1": 0.1 + 0.2, "tiny": 5e-324, "rows": [{"label": "RotNet, 1 image: ½"}], "none": None}
    write_json(tmp_path / "x.json", value)
    write_yaml(tmp_path / "x.yaml", value)
    assert read_json(tmp_path / "x.json") == value
    assert read_yaml(tmp_path / "x.yaml") == value
    assert list(read_yaml(tmp_path / "x.yaml")) == list(value)


@pytest.mark.parametrize(("read", "text", "kind"), [(read_json, '{"a": 1', "JSON"), (read_yaml, "a: [1", "YAML")])
def test_an_unreadable_file_is_named(tmp_path, read, text, kind):
    path = tmp_path / "broken"
    path.write_text(text)
    with pytest.raises(UserError, match=f"broken.* not readable {kind}") as caught:
        read(path)
    assert "\n" not in caught.value.what
    assert caught.value.fix


def test_digest_is_sha256_of_canonical_json():
    value = {"b": [1, 2.5, "ü"], "a": {"y": None, "x": True}}
    text = '{"a":{"x":true,"y":null},"b":[1,2.5,"\\u00fc"]}'
    assert json.loads(text) == value
    assert digest(value) == hashlib.sha256(text.encode()).hexdigest()[:12]


def test_digest_sees_values_and_not_the_order_of_keys():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": (1, 2)}) == digest({"a": [1, 2]})
    assert digest([1, 2]) != digest([2, 1])
    assert digest({"a": 1}) != digest({"a": 2})
    assert digest({"a": 1}, length=20).startswith(digest({"a": 1}))


def test_every_file_of_a_study_lies_in_its_folder(tmp_path):
    study = StudyFolder(tmp_path / "single_image_A")
    run = study.run("0123abcd")
    kinds = [run.provenance, run.checkpoint, run.encoder, run.card, run.metrics, run.tensorboard, run.record]
    kinds += [run.filters, run.crops]
    assert {path.parent for path in kinds} == {study.path / "runs" / "0123abcd"}
    assert {study.index.parent, study.table.parent, study.markdown.parent, study.figures.parent} == {study.path}
    assert len(set(kinds)) == len(kinds)


def test_asking_whether_a_folder_can_be_written_leaves_nothing(tmp_path):
    StudyFolder(tmp_path / "results" / "study").require_writable()
    assert not list(tmp_path.iterdir())
    StudyFolder(tmp_path).require_writable()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("inside", ["", "study"])
def test_a_file_in_the_way_is_found_before_the_work(tmp_path, inside):
    blocker = tmp_path / "results"
    blocker.write_text("not a folder")
    with pytest.raises(UserError, match=r"results folder .*results.* cannot be written \(.+\)") as caught:
        StudyFolder(blocker / inside).require_writable()
    assert "--results DIR" in caught.value.fix
    assert blocker.read_text() == "not a folder"


@pytest.mark.parametrize(
    ("text", "where", "why", "line"),
    [
        ("a: 1\nseeds: [0\nb: 2\n", "2:8", "bracket is not closed by line 3", "seeds: [0"),
        ("rows:\n  - {label: a, b: c\n  - {d: e}\n", "2:5", "bracket is not closed by line 3", "- {label: a, b: c"),
        ("a: 'x\nb: 1\n", "1:4", "a quote is not closed", "a: 'x"),
        ("title: What: a question\n", "1:12", "a colon where none may stand", "title: What: a question"),
        ("a:\n\tb: 1\n", "2:1", "a tab", "b: 1"),
        ("a: 1\nb: *x\n", "2:4", "no anchor", "b: *x"),
        ("a: b\n- c\n", "2:1", "does not go on as the lines before it", "- c"),
        ("a: !!python/name:os.system x\n", "1:4", "breaks YAML's grammar", "a: !!python/name:os.system x"),
        ("a: 1\nrows: [\n", "2:8", "bracket is not closed", "rows: ["),
        ("a: {b: c", "1:4", "bracket is not closed by line 1", "a: {b: c"),
    ],
)
def test_a_slip_in_yaml_is_shown_by_line_and_column(tmp_path, text, where, why, line):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_yaml(path)
    assert caught.value.what.startswith(f"{path}:{where}: not readable YAML: ")
    assert why in caught.value.what
    assert caught.value.fix == f"Mend this line: {line}"


def test_bytes_that_are_no_text_are_no_yaml(tmp_path):
    path = tmp_path / "study.yaml"
    for content, why in ((b"a: \xff", "not text in UTF-8"), (b"a: \x01", "characters that YAML does not know")):
        path.write_bytes(content)
        with pytest.raises(UserError, match=why) as caught:
            read_yaml(path)
        assert len(str(caught.value).splitlines()) == 2


def test_the_usual_command_names_a_results_folder_that_is_not_the_usual_one(tmp_path):
    assert StudyFolder(Path("results/jitter")).made_by() == "augstudy run studies/jitter.yaml"
    other = StudyFolder(tmp_path / "jitter")
    assert other.made_by("augstudy run x.yaml") == f"augstudy run x.yaml --results {tmp_path}"


def test_the_usual_command_tells_of_no_folder_above_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert StudyFolder(tmp_path / "results" / "jitter").made_by() == "augstudy run studies/jitter.yaml"
    assert (
        StudyFolder(tmp_path / "mine" / "jitter").made_by("augstudy run x.yaml") == "augstudy run x.yaml --results mine"
    )
    assert from_here(tmp_path / "mine") == from_here(Path("mine")) == Path("mine")
    assert from_here(tmp_path.parent) == tmp_path.parent


def test_the_command_is_no_part_of_what_a_study_tells(tmp_path):
    folder = StudyFolder(tmp_path / "study")
    assert folder.told() == {}
    folder.path.mkdir()
    folder.index.write_text("title: jitter\ncommand: augstudy run studies/jitter.yaml --results elsewhere\n")
    assert folder.told() == {"title": "jitter"}
    for broken in ("- a list\n", "title: [\n"):
        folder.index.write_text(broken)
        assert folder.told() == {}
