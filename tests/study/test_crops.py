"""From words to an export: settings, and mistakes told in two lines."""

import pytest

from augstudy.core.errors import UserError
from augstudy.data.corpus import Recipe
from augstudy.study.crops import planned, recipe_from


def test_settings_are_yaml_and_count_and_size_win():
    recipe = recipe_from(["scale=[0.1, 0.5]", "border=black", "size=48", "antialias=false"], count=7, size=32)
    assert recipe == Recipe(count=7, size=32, scale=(0.1, 0.5), border="black", antialias=False)
    assert recipe_from([]) == Recipe()


@pytest.mark.parametrize(
    ("word", "what", "fix"),
    [
        ("rotatoin=3", "rotatoin", "'rotation'"),
        ("rotation", "no =", "--set rotation=0"),
        ("rotation=[", "not YAML", "--set scale"),
        ("rotation=steep", "rotation", "rotation"),
        ("rotation=200", "rotation must lie", "range"),
    ],
)
def test_a_wrong_setting_is_told(word, what, fix):
    with pytest.raises(UserError) as caught:
        recipe_from([word])
    assert what in caught.value.what
    assert fix in caught.value.fix


def test_images_are_looked_at_before_the_work(tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(UserError, match=r"broken\.png"):
        planned(["coffee", str(broken)], Recipe(count=3, size=16), tmp_path / "out")
    with pytest.raises(UserError, match="'coffee'"):
        planned(["cofee"], Recipe(count=3, size=16), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("form", "encoding"), [("webdataset", "jpeg"), ("folder", "jpeg"), ("npy", "raw")])
def test_the_encoding_follows_the_format(tmp_path, form, encoding):
    export = planned(["coffee", "china"], Recipe(count=3, size=16), tmp_path, form=form, device="cpu")
    assert export.encoding.name == encoding
    assert [used.name for used in export.images] == ["coffee", "china"]
    assert len(export.corpus.gallery) == 2
