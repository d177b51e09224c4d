"""All bad files at once, and what `stop` and `skip` make of them."""

import io
import os
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from augstudy.core.errors import UserError
from augstudy.data import preflight
from augstudy.data.datasets.folder import Folder
from augstudy.data.datasets.parquet import Parquet
from augstudy.data.drawn import from_folder
from augstudy.data.paths import image_files
from augstudy.data.preflight import faults, files_of
from augstudy.data.survey import survey
from augstudy.data.tars import tar_files


def picture(value: int, kind: str = "PNG", side: int = 40) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(value).integers(0, 256, (side, side, 3), dtype=np.uint8)
    pixels[0] = value
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def bad_files() -> dict[str, bytes]:
    return {
        "empty.jpg": b"",
        "letter.jpg": b"Dear all",
        "cut.png": picture(1)[:-500],
        "cut.jpg": picture(2, "JPEG")[:-50],
    }


@pytest.fixture
def folder(tmp_path):
    """Two classes of twelve sound images, bad ones among them."""
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for i in range(12):
            (tmp_path / "set" / name / f"{i:02}.png").write_bytes(picture(i))
    for name, content in bad_files().items():
        (tmp_path / "set" / "dog" / name).write_bytes(content)
    (tmp_path / "set" / "dog" / "link.png").symlink_to(tmp_path / "gone.png")
    return tmp_path / "set"


@pytest.mark.parametrize("whole", [True, False])
def test_every_bad_file_is_found_by_decoding_and_by_heads_and_ends(folder, whole):
    files = image_files(folder)
    found = faults(files_of(files), whole=whole)
    assert [files[i].name for i in found] == ["cut.jpg", "cut.png", "empty.jpg", "letter.jpg", "link.png"]
    assert all(str(files[i]) in error.what for i, error in found.items())


def test_heads_read_no_sound_file_whole(folder, monkeypatch):
    decoded: list[str] = []
    usual = preflight.decode_image
    monkeypatch.setattr(
        preflight, "decode_image", lambda c, where, side: decoded.append(where) or usual(c, where, side)
    )
    faults(files_of(image_files(folder / "cat")), whole=False)
    assert not decoded


def test_stop_names_all_at_once(folder):
    with pytest.raises(UserError, match=r"5 of 29 images of .* cannot be used") as error:
        Folder(root=str(folder)).load()
    first, second = str(error.value).split("\n")
    assert all(name in first for name in (*bad_files(), "link.png"))
    assert "bad_files: skip" in second


def test_many_are_counted_not_listed(folder):
    for i in range(30):
        (folder / "cat" / f"bad{i}.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"35 of 59 images .*; and 30 more"):
        Folder(root=str(folder)).load()


def test_skip_leaves_them_out_and_lists_them(folder):
    labelled = Folder(root=str(folder), bad_files="skip", size=8).load()
    assert len(labelled.train) + len(labelled.test) == 24
    assert len(labelled.skipped) == 5
    for split in (labelled.train, labelled.test):
        assert split.images(torch.arange(len(split))).shape[1:] == (3, 8, 8)
        assert len(split.labels) == len(split)
        assert {path.parent.name for path in split.decode.files} == {"cat", "dog"}
        want = [int(path.parent.name == "dog") for path in split.decode.files]
        assert split.labels.tolist() == want
    for name in (*bad_files(), "link.png"):
        (folder / "dog" / name).unlink()
    sound = Folder(root=str(folder), bad_files="skip", size=8).load()
    assert not sound.skipped
    assert sound.fingerprint != labelled.fingerprint
    assert sound.fingerprint == Folder(root=str(folder), size=8).load().fingerprint


def test_a_class_that_is_all_bad_is_an_error(folder):
    for path in (folder / "cat").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match="no image of these classes can be used in one of the splits: cat"):
        Folder(root=str(folder), bad_files="skip").load()


def test_a_policy_that_is_none_is_an_error():
    with pytest.raises(UserError, match="bad_files is 'ignore'"):
        Folder(bad_files="ignore")


def test_a_sound_set_is_looked_at_once(folder, monkeypatch):
    for name in (*bad_files(), "link.png"):
        (folder / "dog" / name).unlink()
    first = Folder(root=str(folder)).load().fingerprint
    monkeypatch.setattr(preflight, "faults", lambda files: pytest.fail("looked at again"))
    assert Folder(root=str(folder)).load().fingerprint == first


@pytest.mark.parametrize("kind", ["labelled", "drawn"])
def test_a_file_in_the_place_of_one_of_equal_size_is_looked_at(folder, kind):
    for name in (*bad_files(), "link.png"):
        (folder / "dog" / name).unlink()

    def load():
        return Folder(root=str(folder)).load() if kind == "labelled" else from_folder(folder, None, 0)

    load()
    victim = folder / "cat" / "03.png"
    was = victim.stat()
    victim.write_bytes(bytes(was.st_size))
    os.utime(victim, ns=(was.st_atime_ns, was.st_mtime_ns + 1))  # as of any that was written at another time
    with pytest.raises(UserError, match=r"1 of 24 images .*03.png"):
        load()


def test_a_set_found_sound_with_another_limit_of_pixels_is_looked_at_again(folder, monkeypatch):
    for name in (*bad_files(), "link.png"):
        (folder / "dog" / name).unlink()
    Folder(root=str(folder)).load()
    monkeypatch.setenv("AUGSTUDY_MAX_PIXELS", "100")
    with pytest.raises(UserError, match="24 of 24 images"):
        Folder(root=str(folder)).load()


def test_drawing_from_a_folder_stops_or_draws_the_next(folder):
    with pytest.raises(UserError, match="of 29 images"):
        from_folder(folder, None, 0)
    drawn = from_folder(folder, 20, 0, "skip")
    assert len(drawn.names) == len(set(drawn.names)) == 20
    assert not {name.split("/")[1] for name in drawn.names} & {*bad_files(), "link.png"}
    assert drawn.facts(100)["skipped"] == list(drawn.skipped)
    every = from_folder(folder, None, 0, "skip")
    assert (len(every.names), len(every.skipped), every.label.split()[0]) == (24, 5, "all")
    with pytest.raises(UserError, match=r"25 images are asked .* which has 24 that can be used"):
        from_folder(folder, 25, 0, "skip")


def test_without_bad_files_skip_draws_what_stop_draws(folder):
    for name in (*bad_files(), "link.png"):
        (folder / "dog" / name).unlink()
    assert from_folder(folder, 10, 3).names == from_folder(folder, 10, 3, "skip").names


def parquet(path, images, labels=None):
    cells = [{"bytes": b, "path": ""} for b in images]
    pq.write_table(pa.table({"image": cells, "label": labels or [i % 2 for i in range(len(images))]}), path)
    return str(path)


def test_parquet_stops_or_skips_rows(tmp_path):
    a = parquet(tmp_path / "a.parquet", [picture(1), b"text", picture(3), picture(4), b""])
    b = parquet(tmp_path / "b.parquet", [picture(5), picture(6)[:-100], picture(7)])
    with pytest.raises(UserError, match=r"3 of 8 images of a.parquet and b.parquet") as error:
        Parquet(train=a, test=b).load()
    assert "a.parquet, column image, row 4" in error.value.what
    labelled = Parquet(train=a, test=b, bad_files="skip", size=40).load()
    assert labelled.train.labels.tolist() == [0, 0, 1]
    assert labelled.test.labels.tolist() == [0, 0]
    assert labelled.train.images(torch.tensor([1, 2]))[:, 0, 0, 0].tolist() == [3, 4]
    assert labelled.test.images(torch.tensor([1]))[0, 0, 0, 0] == 7
    assert len(labelled.skipped) == 3


def tar(path, members):
    with tarfile.open(path, "w") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["/etc/passwd.png", "../x.png", "a/../../x.png", "..", "C:\\x.png"])
def test_tars_that_reach_out_are_refused(tmp_path, name):
    path = tar(tmp_path / "a.tar", {"ok.png": picture(1), name: picture(2)})
    with pytest.raises(UserError, match="is refused") as error:
        list(tar_files(path))
    assert "a.tar" in error.value.what
    with pytest.raises(UserError, match="is refused"):
        survey(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_tars_with_links_and_devices_are_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        info = tarfile.TarInfo("x.png")
        info.type, info.linkname = kind, "/etc/passwd"
        file.addfile(info)
    with pytest.raises(UserError, match="a link or a device, and is refused"):
        list(tar_files(tmp_path / "a.tar"))


def test_broken_tars_are_named(tmp_path):
    path = tar(tmp_path / "a.tar", {"a.png": picture(1), "b.png": picture(2)})
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(UserError, match=r"a.tar is no readable tar"):
        list(tar_files(path))
    with pytest.raises(UserError, match="there is no file"):
        list(tar_files(tmp_path / "none.tar"))


def test_a_survey_reads_images_folders_parquet_and_tars(folder, tmp_path):
    assert (survey(folder).count, len(survey(folder).bad)) == (29, 5)
    assert len(survey(folder, min_side=41).bad) == 29
    assert not survey(folder / "cat" / "00.png").bad
    a = parquet(tmp_path / "a.parquet", [picture(1), b"text"])
    assert (survey(tmp_path / "a.parquet").count, len(survey(tmp_path / "a.parquet", "image").bad)) == (2, 1)
    assert a
    shard = tar(tmp_path / "a.tar", {"0.png": picture(1), "0.cls": b"1", "1.png": b""})
    found = survey(shard)
    assert (found.count, [error.what for error in found.bad]) == (2, [f"{shard}, 1.png is empty (0 bytes)"])
    for wrong in ("none.png", "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(UserError, match="there is no"):
            survey(tmp_path / wrong)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "n.parquet")
    with pytest.raises(UserError, match="0 columns that could hold images"):
        survey(tmp_path / "n.parquet")
    with pytest.raises(UserError, match="no column 'y'"):
        survey(tmp_path / "n.parquet", "y")


def test_class_folders_of_any_name_can_be_loaded(tmp_path):
    for name in (b"caf\xe9", b"two\nlines"):
        for i in range(3):
            path = tmp_path / os.fsdecode(name) / f"{i}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(picture(i))
    labelled = Folder(root=str(tmp_path)).load()
    assert labelled.classes == ("caf\\udce9", "two\\nlines")
