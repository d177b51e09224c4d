"""Laws of reading features: the encoder stays frozen, pooling keeps the bound, statistics are plain averages."""

import copy

import numpy as np
import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.data.datasets.base import Labelled, Stored
from augstudy.evaluate.features import Extraction, keyed_subset, recalibrate
from augstudy.learn.backbones.base import Encoder, fingerprint, signed
from augstudy.learn.backbones.conv4 import Conv4

CPU = torch.device("cpu")


@pytest.fixture
def labelled(split):
    test = Stored(split.pixels[:20], split.labels[:20])
    return Labelled("toy", split, test, ("a", "b", "c"), "", "0")


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Conv4(width=0.25).encoder()  # 16, 24, 32, 32 channels


def test_the_encoder_is_left_as_it_was_to_the_bit(encoder, labelled):
    encoder.train()
    before = fingerprint(encoder)
    Extraction()(encoder, labelled, CPU)
    assert fingerprint(encoder) == before
    assert encoder.training
    assert all(p.grad is None for p in encoder.parameters())


def test_an_encoder_that_changed_while_it_was_read_is_found_out(encoder, labelled, monkeypatch):
    usual = Stored.images

    def meddling(self, index):
        with torch.no_grad():
            encoder.blocks["conv1"][0].weight.mul_(1.01)
        return usual(self, index)

    monkeypatch.setattr(Stored, "images", meddling)
    with pytest.raises(RuntimeError, match="encoder changed"):
        Extraction()(encoder, labelled, CPU)


@pytest.mark.parametrize(("dims", "grids"), [(1024, (8, 6, 4, 2)), (100, (2, 2, 1, 1)), (32, (1, 1, 1, 1))])
def test_each_layer_is_pooled_to_the_largest_grid_that_fits(encoder, labelled, dims, grids):
    train, _ = Extraction(dims=dims)(encoder, labelled, CPU)
    widths = [x.shape[1] for x in train.layers.values()]
    assert widths == [c * g * g for c, g in zip((16, 24, 32, 32), grids, strict=True)]
    assert max(widths) <= dims


def test_pooling_is_the_mean_of_each_cell(encoder, labelled):
    train, _ = Extraction(calibrate=0, dims=64)(encoder, labelled, CPU)
    encoder.eval()
    with torch.no_grad():
        maps = encoder.layers(signed(labelled.train.images(torch.arange(60))))["conv1"].numpy()  # (60, 16, 16, 16)
    cells = [maps[:, :, i : i + 8, j : j + 8].mean((2, 3)) for i in (0, 8) for j in (0, 8)]  # 2 x 2 cells
    expected = np.stack(cells, 2).reshape(60, -1)
    np.testing.assert_allclose(train.layers["conv1"].numpy(), expected, rtol=2**-11, atol=1e-6)  # of float16


def test_layers_and_labels_are_in_order(encoder, labelled):
    train, test = Extraction()(encoder, labelled, CPU)
    assert list(train.layers) == list(test.layers) == encoder.names
    assert torch.equal(train.labels, labelled.train.labels)
    assert torch.equal(test.labels, labelled.test.labels)
    assert {len(x) for x in train.layers.values()} == {60}


def test_subsets_are_keyed_distinct_and_in_rising_order(encoder, labelled):
    train, test = Extraction(train=25, test=7)(encoder, labelled, CPU)
    again, _ = Extraction(train=25, test=7)(encoder, labelled, CPU)
    assert (len(train.labels), len(test.labels)) == (25, 7)
    assert all(torch.equal(train.layers[k], again.layers[k]) for k in train.layers)
    index = keyed_subset(60, 25, "train")
    assert torch.equal(index, index.unique())
    assert torch.equal(train.labels, labelled.train.labels[index])
    assert torch.equal(keyed_subset(60, 0, "train"), torch.arange(60))
    assert torch.equal(keyed_subset(60, 99, "train"), torch.arange(60))


def test_features_are_not_changed_by_other_images_in_the_set(encoder, labelled):
    """In eval mode an image's features are its own; only the calibration sees the set."""
    few = Labelled("toy", labelled.train, Stored(labelled.test.pixels[:3], labelled.test.labels[:3]), (), "", "0")
    _, all_of_them = Extraction()(encoder, labelled, CPU)
    _, three = Extraction()(encoder, few, CPU)
    for name, x in three.layers.items():
        torch.testing.assert_close(x, all_of_them.layers[name][:3], rtol=1e-4, atol=1e-5)


def test_calibration_gives_batch_norm_the_plain_average_over_the_images(encoder, split):
    reader = copy.deepcopy(encoder)
    recalibrate(reader, split, 40, CPU)
    with torch.no_grad():
        x = encoder.blocks["conv1"][0](signed(split.images(keyed_subset(60, 40, "calibrate"))))
    norm = reader.blocks["conv1"][1]
    torch.testing.assert_close(norm.running_mean, x.mean((0, 2, 3)), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(norm.running_var, x.var((0, 2, 3)), rtol=1e-3, atol=1e-5)
    assert not reader.training


def test_calibration_does_not_depend_on_statistics_that_training_left(encoder, labelled):
    other = copy.deepcopy(encoder)
    for module in other.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean += 5
            module.running_var *= 3
    a, b = (Extraction()(e, labelled, CPU)[0].layers["conv4"] for e in (encoder, other))
    torch.testing.assert_close(a, b)
    a, b = (Extraction(calibrate=0)(e.eval(), labelled, CPU)[0].layers["conv4"] for e in (encoder, other))
    assert not torch.allclose(a, b)


@pytest.mark.parametrize("wrong", [{"train": -1}, {"test": -2}, {"dims": 0}, {"calibrate": -1}])
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Extraction(**wrong)


@pytest.fixture
def cached(encoder, labelled, tmp_path):
    """`cached()`: features through a folder; its files in `cached.folder`."""

    def read(extraction=Extraction(dims=64), encoder=encoder, data=labelled):  # noqa: B008
        return extraction(encoder, data, CPU, tmp_path / "features")

    read.folder = tmp_path / "features"
    return read


def same(a, b):
    return list(a.layers) == list(b.layers) and all(torch.equal(a.layers[k], b.layers[k]) for k in a.layers)


def counted(monkeypatch):
    """How often the encoder is asked for its layers from now on."""
    calls, usual = [], Encoder.layers
    monkeypatch.setattr(Encoder, "layers", lambda self, x: calls.append(len(x)) or usual(self, x))
    return calls


def test_features_are_the_same_to_the_bit_from_disk_from_the_first_pass_and_without_a_folder(
    cached, encoder, labelled, monkeypatch
):
    first, again = cached(), None
    calls = counted(monkeypatch)
    again = cached()
    assert not calls
    plain = Extraction(dims=64)(encoder, labelled, CPU)
    assert calls
    for a, b, c in zip(first, again, plain, strict=True):
        assert same(a, b)
        assert same(a, c)
        assert torch.equal(a.labels, c.labels)


@pytest.mark.parametrize("change", ["extraction", "encoder", "data"])
def test_features_of_something_else_are_read_anew(cached, encoder, labelled, change, monkeypatch):
    before, _ = cached()
    other = copy.deepcopy(encoder)
    with torch.no_grad():
        other.blocks["conv1"][0].weight.mul_(-1)
    data = Labelled("toy", labelled.test, labelled.test, ("a", "b", "c"), "", "1")
    calls = counted(monkeypatch)
    changes = {"extraction": Extraction(dims=32), "encoder": other, "data": data}
    after, _ = cached(**{change: changes[change]})
    assert calls
    assert not same(before, after)


@pytest.mark.parametrize("damage", ["cut", "changed", "lost", "card"])
def test_damaged_files_are_made_again(cached, damage, monkeypatch):
    before = dict(cached()[0].layers)  # made float32: those on disk are about to change
    (folder,) = cached.folder.iterdir()
    path = folder / ("card.json" if damage == "card" else "train-conv2.npy")
    content = path.read_bytes()
    if damage == "lost":
        path.unlink()
    else:
        path.write_bytes(content[:-9] if damage in ("cut", "card") else content[:-2] + b"xy")
    calls = counted(monkeypatch)
    after, _ = cached()
    assert calls
    assert all(torch.equal(after.layers[name], x) for name, x in before.items())
    assert path.read_bytes() == content


def test_a_pass_that_is_killed_leaves_nothing_that_is_read(cached, monkeypatch):
    usual = Encoder.layers

    def killed(self, x):
        if len(x) == 20:  # the test split
            raise KeyboardInterrupt
        return usual(self, x)

    monkeypatch.setattr(Encoder, "layers", killed)
    with pytest.raises(KeyboardInterrupt):
        cached()
    assert not list(cached.folder.rglob("*.npy"))
    monkeypatch.setattr(Encoder, "layers", usual)
    assert len(cached()[0].labels) == 60


def test_keep_false_leaves_nothing_on_disk_and_changes_no_number(cached):
    first, _ = cached(Extraction(dims=64, keep=False))
    assert not cached.folder.exists()
    assert same(first, cached()[0])
    assert Extraction(keep=False).facts() == Extraction().facts()


def test_memory_stays_bounded_whatever_the_number_of_images(encoder, split, tmp_path, live_bytes, monkeypatch):
    """The features of 50,000 images of five layers of 9,600 numbers are 9.6 GB: here a thousandth of it."""
    monkeypatch.setattr("augstudy.evaluate.features.CHUNK", 64)
    index = torch.arange(2048) % 60
    many = Stored(split.pixels[index, :, ::2, ::2].contiguous(), split.labels[index])
    data = Labelled("many", many, Stored(many.pixels[:8], many.labels[:8]), (), "", "2")
    extraction = Extraction(dims=2048, calibrate=0)
    with live_bytes() as live:
        train, _ = extraction(encoder, data, CPU, tmp_path)
    all_of_them = sum(4 * 2048 * x.shape[1] for x in train.layers.values())
    with live_bytes() as one:
        assert train.layers["conv1"].sum() > 0
    assert all_of_them > 2**23
    assert live.peak < all_of_them / 5  # a chunk of images with the maps that come from it
    assert one.peak <= 1.5 * 4 * 2048 * train.layers["conv1"].shape[1] + 64


@pytest.mark.parametrize("size", [1e-7, 1.0, 1e6])
def test_large_and_small_features_keep_their_digits(encoder, labelled, size):
    expected, _ = Extraction(calibrate=0)(encoder, labelled, CPU)
    with torch.no_grad():
        norm = encoder.blocks["conv4"][1]
        norm.weight.mul_(size)
        norm.bias.mul_(size)
    found, _ = Extraction(calibrate=0)(encoder, labelled, CPU)
    torch.testing.assert_close(found.layers["conv4"] / size, expected.layers["conv4"], rtol=1e-3, atol=1e-6)


def test_a_feature_that_is_not_finite_names_its_layer_and_image(encoder, labelled):
    with torch.no_grad():
        encoder.blocks["conv3"][1].bias[2] = float("nan")
    with pytest.raises(UserError, match="layer conv3, train image 0"):
        Extraction()(encoder, labelled, CPU)
