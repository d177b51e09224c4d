"""A study file as it is written: whole, or an error that names it."""

import pytest

from augstudy.core.errors import UserError
from augstudy.study.written import read_study


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text("seeds: [0, 1]\nrows:\n  - {label: a}\n")
    assert read_study(path) == {"seeds": [0, 1], "rows": [{"label": "a"}]}


@pytest.mark.parametrize("text", [None, "", "- a\n", "words\n", "rows: [\n", "a: b: c\n"])
def test_anything_else_is_an_error_with_the_file_in_it(tmp_path, text):
    path = tmp_path / "toy.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_study(path)
    assert str(path) in caught.value.what
    assert len(str(caught.value).splitlines()) == 2
