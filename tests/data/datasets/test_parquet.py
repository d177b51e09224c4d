"""Parquet files of any make are read; a wrong one is named with its column and row."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from augstudy.core.errors import UserError
from augstudy.data.datasets.parquet import Parquet


def png(value: int, size: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def write(path, images, labels, struct=True, metadata=None):
    cells = [None if b is None else {"bytes": b, "path": ""} for b in images] if struct else images
    table = pa.table({"image": cells, "label": labels})
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


@pytest.mark.parametrize("struct", [True, False])
def test_images_and_labels_come_back(tmp_path, struct):
    write(tmp_path / "a.parquet", [png(v) for v in (10, 20, 30)], [7, 3, 7], struct)
    write(tmp_path / "b.parquet", [png(40, 12)], [7], struct)
    labelled = Parquet(train="a.parquet", test="b.parquet", root=str(tmp_path), size=8).load()
    assert labelled.classes == ("3", "7")
    assert labelled.train.labels.tolist() == [1, 0, 1]
    assert labelled.train.images(torch.tensor([2, 0]))[:, 0, 0, 0].tolist() == [30, 10]
    assert labelled.test.images(torch.tensor([0])).shape == (1, 3, 8, 8)


def test_class_names_of_the_hub_are_used(tmp_path):
    info = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    path = write(tmp_path / "a.parquet", [png(1), png(2)], [0, 1], metadata={"huggingface": json.dumps(info)})
    assert Parquet(train=str(path), test=str(path)).load().classes == ("cat", "dog")


def test_fingerprint_tells_content_and_settings_apart(tmp_path):
    a = str(write(tmp_path / "a.parquet", [png(1), png(2)], [0, 1]))
    b = str(write(tmp_path / "b.parquet", [png(1), png(3)], [0, 1]))
    prints = [Parquet(train=t, test=a, size=s).load().fingerprint for t, s in ((a, 8), (a, 8), (b, 8), (a, 9))]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


@pytest.mark.parametrize(
    ("images", "labels", "settings", "what"),
    [
        ([png(1), None], [0, 1], {}, "column image, row 1 is empty"),
        ([png(1), png(2)], [0, None], {}, "column label, row 1 is empty"),
        ([png(1), png(2)], [0.5, 1.0], {}, "column label holds double, not integers"),
        (["a", "b"], [0, 1], {}, "column image holds string, not the bytes of images"),
        ([png(1), png(2)], [0, 1], {"image": "img"}, "has no column 'img'"),
        ([png(1), png(2)], [0, 1], {"label": "y"}, "has no column 'y'"),
        ([png(1), png(2)], ["cat", "dog"], {}, "column label holds string, not integers"),
        ([png(1), png(2)], pa.array([1, 2**63], pa.uint64()), {}, "holds numbers from 2.63 on"),
    ],
)
def test_wrong_files_are_named(tmp_path, images, labels, settings, what):
    struct = isinstance(images[0], bytes)
    path = str(write(tmp_path / "wrong.parquet", images, labels, struct))
    with pytest.raises(UserError, match=what) as error:
        Parquet(train=path, test=path, **settings).load()
    assert "wrong.parquet" in str(error.value).split("\n")[0]


def test_broken_image_is_named_by_row(tmp_path):
    path = str(write(tmp_path / "a.parquet", [png(1), b"no image"], [0, 1]))
    with pytest.raises(UserError, match=r"a.parquet, column image, row 1 is not an image"):
        Parquet(train=path, test=path).load()


def test_label_unknown_to_training_is_named_by_row(tmp_path):
    a = str(write(tmp_path / "a.parquet", [png(1), png(2)], [0, 1]))
    b = str(write(tmp_path / "b.parquet", [png(1), png(2)], [0, 5]))
    with pytest.raises(UserError, match=r"b.parquet, column label, row 1: label 5 is not in the training file"):
        Parquet(train=a, test=b).load()


def test_missing_unset_empty_and_foreign_files_are_named(tmp_path):
    with pytest.raises(UserError, match="train is not set"):
        Parquet().load()
    with pytest.raises(UserError, match=r"there is no file .*none.parquet"):
        Parquet(train="none.parquet", test="none.parquet", root=str(tmp_path)).load()
    (tmp_path / "text.parquet").write_text("not a parquet file at all")
    with pytest.raises(UserError, match=r"text.parquet is not a readable Parquet file"):
        Parquet(train="text.parquet", test="text.parquet", root=str(tmp_path)).load()
    empty = pa.table({"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())})
    pq.write_table(empty, tmp_path / "empty.parquet")
    with pytest.raises(UserError, match=r"empty.parquet, column image has no rows"):
        Parquet(train="empty.parquet", test="empty.parquet", root=str(tmp_path)).load()


def test_other_layouts_are_read_or_refused(tmp_path):
    images = pa.array([png(10), png(20)])
    labels = pa.array([0, 1], pa.int8())
    for column in (images.cast(pa.large_binary()), images.dictionary_encode()):
        pq.write_table(pa.table({"n": [1, 2], "label": labels, "image": column}), tmp_path / "a.parquet")
        labelled = Parquet(train="a.parquet", test="a.parquet", root=str(tmp_path), size=8).load()
        assert labelled.train.images(torch.arange(2))[:, 0, 0, 0].tolist() == [10, 20]
    twice = pa.Table.from_arrays([images, images, labels], ["image", "image", "label"])
    outside = pa.table({"image": [{"bytes": None, "path": "a.png"}, {"bytes": None, "path": "b.png"}], "label": labels})
    outside = outside.set_column(
        0, "image", outside["image"].cast(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    )
    for table, what in ((twice, "several columns 'image'"), (outside, "column image, row 0 is empty")):
        pq.write_table(table, tmp_path / "b.parquet")
        with pytest.raises(UserError, match=what):
            Parquet(train="b.parquet", test="b.parquet", root=str(tmp_path)).load()
