"""A flipped bit anywhere in what numbers depend on is told, or changes nothing: never a wrong number."""

import json

import numpy as np
import pytest
import torch

from augstudy.core.arrays import open_arrays, writing_arrays
from augstudy.core.errors import UserError
from augstudy.core.records import other_versions, read_record, write_record
from augstudy.core.store import RunFolder
from augstudy.learn.backbones.base import fingerprint
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.checkpoint import load_checkpoint, load_encoder, past, save_checkpoint, save_encoder

BITS = (0, 4, 7)


def flips(path, count=150):
    """The file with one bit flipped, at places spread over it; then as it was."""
    whole = path.read_bytes()
    for i in range(0, len(whole), max(1, len(whole) // count)):
        damaged = bytearray(whole)
        damaged[i] ^= 1 << BITS[i % len(BITS)]
        path.write_bytes(damaged)
        yield i
    path.write_bytes(whole)


def read(call, *args):
    """What is read, or the error's text."""
    try:
        return call(*args)
    except UserError as error:
        return str(error)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_checkpoint(tmp_path):
    path = tmp_path / "checkpoint.pt"
    state = {"epoch": 3, "history": [{"loss": 0.125, "seconds": 2.0}], "weights": {"w": torch.randn(30, 10)}}
    save_checkpoint(path, state)
    refused = 0
    for i in flips(path):
        found = read(load_checkpoint, path)
        if isinstance(found, str):
            assert str(path) in found
            refused += 1
        else:
            assert (found["epoch"], found["history"]) == (state["epoch"], state["history"]), i
            assert torch.equal(found["weights"]["w"], state["weights"]["w"]), i
    assert refused > 50  # the rest is padding
    assert past(RunFolder(tmp_path)).seconds == 2.0


def test_an_encoder_with_its_card(tmp_path):
    folder = RunFolder(tmp_path)
    encoder = Conv4(width=0.05).encoder()
    save_encoder(folder, encoder, "conv4", {"width": 0.05})
    for path in (folder.encoder, folder.card):
        for i in flips(path, 60):
            found = read(load_encoder, folder)
            assert str(tmp_path) in found if isinstance(found, str) else fingerprint(found) == fingerprint(encoder), i


def test_cached_arrays_with_their_card(tmp_path):
    facts = {"of": "an encoder"}
    with writing_arrays(tmp_path, {"a": (7, 5)}, facts | {"scales": {"a": 0.25}}) as arrays:
        arrays["a"][:] = values = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float16)
    for name in ("a.npy", "card.json"):
        for i in flips(tmp_path / name):
            found = open_arrays(tmp_path, facts)
            assert found is None or (found[1]["scales"] == {"a": 0.25} and np.array_equal(found[0]["a"], values)), i
    assert open_arrays(tmp_path, facts) is not None


def test_a_record(tmp_path):
    path = tmp_path / "record.json"
    evaluation = {"key": "k", "probe": "knn", "probe_data": "photos"}
    evaluation["metrics"] = [{"layer": "conv1", "metric": "top1", "value": 45.3, "low": None, "high": None}]
    record = {"status": "finished", "layers": ["conv1"], "pretext": [], "evaluations": [evaluation], "torch": ["2.6"]}
    write_record(path, record)
    for i in flips(path):
        found = read(read_record, path)
        assert str(path) in found if isinstance(found, str) else found == record, i
    assert read_record(path) == record
    del record["torch"]
    path.write_text(json.dumps(record))  # as versions wrote it that knew no checksums
    assert read_record(path) == record


def test_versions_of_torch_are_told_where_they_differ():
    one, two, none = {"torch": ["2.6.0"]}, {"torch": ["2.6.0", "2.7.1"]}, {}
    assert other_versions({"a": one, "b": one, "c": none}) == other_versions({"a": none}, "2.7.1") == ""
    assert "2.6.0 (1 run), 2.6.0 then 2.7.1 (1 run)." in other_versions({"a": one, "b": two})
    assert other_versions({"a": one}, "2.7.1").endswith("2.6.0 (1 run); further runs will be with 2.7.1.")
