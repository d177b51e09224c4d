"""What an error of the system is blamed on."""

import errno
import os
from email.message import Message
from urllib.error import HTTPError

import pytest

from augstudy.core.errors import of_disk, on_disk


def system(number: int, *name: str) -> OSError:
    return OSError(number, os.strerror(number), *name)


@pytest.mark.parametrize("error", [system(errno.ENOSPC), system(errno.EROFS), system(errno.EACCES, "a file")])
def test_a_disk_or_a_file_is_named(error):
    what, fix = str(on_disk(error)).split("\n")
    assert what == f"a file cannot be read or written ({error.strerror})"
    assert "free some space" in fix


def test_a_name_that_is_too_long_is_no_lack_of_space(tmp_path):
    with pytest.raises(OSError, match="too long") as caught:
        (tmp_path / ("9" * 300)).is_file()
    what, fix = str(on_disk(caught.value)).split("\n")
    assert "999 cannot be read or written (File name too long)" in what
    assert fix == "Give a shorter name."


def test_a_connection_is_no_disk():
    what, fix = str(on_disk(system(errno.ECONNREFUSED))).split("\n")
    assert what == "the system refused what is no file (ConnectionRefusedError: Connection refused)"
    assert "space" not in fix


def test_what_names_neither_goes_on_with_its_traceback():
    error = OSError("cannot write mode F as PNG")
    with pytest.raises(OSError, match="mode F") as caught:
        on_disk(error)
    assert caught.value is error


def test_what_a_server_answers_is_no_disk_though_it_names_an_address():
    assert not of_disk(HTTPError("https://host/file", 404, "Not Found", Message(), None))
