"""Laws of galleries: clusters, neighbours, confusions and PCA colours."""

import numpy as np
import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.data.corpus import Corpus, Recipe
from augstudy.data.datasets.base import Labelled, Stored, fit
from augstudy.evaluate.features import Extraction, Features, keyed_subset
from augstudy.evaluate.visuals.arrays import as_pixels
from augstudy.evaluate.visuals.attention import Attention
from augstudy.evaluate.visuals.clusters import Clusters
from augstudy.evaluate.visuals.concepts import Concepts, mean_purities, purity
from augstudy.evaluate.visuals.encoders import untrained
from augstudy.evaluate.visuals.filters import first_layer
from augstudy.evaluate.visuals.neighbours import Confusions, Neighbours
from augstudy.evaluate.visuals.pca_colours import PCAColours, leading
from augstudy.learn.backbones.alexnet import AlexNet
from augstudy.learn.backbones.base import signed
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.backbones.vit import ViT


@pytest.fixture(scope="module")
def encoder():
    return untrained(Conv4(width=0.125))


@pytest.fixture(scope="module")
def corpus(picture):
    return Corpus(picture, Recipe(count=200, size=32))


@pytest.fixture(scope="module")
def apart():
    """Forty training and twenty test images of four classes whose features lie apart, three of them mislabelled."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 255, (60, 3, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.arange(60) % 4
    x = torch.eye(4)[labels].repeat(1, 2) + 0.01 * torch.randn(60, 8, generator=generator)
    shown = labels.clone()
    shown[40:43] = (shown[40:43] + 1) % 4
    data = Labelled("four", Stored(pixels[:40], labels[:40]), Stored(pixels[40:], shown[40:]), tuple("abcd"), "", "f")
    features = (
        Features({"low": x[:40], "last": x[:40]}, labels[:40]),
        Features({"low": x[40:], "last": x[40:]}, shown[40:]),
    )
    return features, data


@pytest.fixture(scope="module")
def held_back(corpus):
    """Forty crops of another place in the corpus as labelled images of 32 px, of two classes that say nothing."""
    pixels = (corpus.batch(torch.arange(160, 200)) * 255).byte()
    return Labelled(
        "own", Stored(pixels, torch.arange(40) % 2), Stored(pixels, torch.arange(40) % 2), ("a", "b"), "", "f"
    )


def test_clusters_are_counted_and_the_largest_is_the_largest(encoder, corpus, held_back):
    labels = torch.cat([torch.full((n,), i) for i, n in enumerate((90, 50, 30, 14, 10, 3, 2, 1))])
    found = Clusters(each=2, sample=8)(encoder, corpus, labels, None, held_back)
    assert int(found["clusters"]) == 8
    assert found["kind"].tolist() == ["tightest"] * 2 + ["largest"] * 2 + ["drawn"] * 2
    assert len(set(zip(found["size"].tolist(), found["spread"].tolist(), strict=True))) == 6
    tight = found["spread"][:2]
    assert tight[0] <= tight[1] <= np.nanmin(found["spread"][2:])
    assert np.isnan(found["mean_purity"])


def test_purity_is_the_share_of_the_most_frequent_class(encoder, corpus, held_back):
    labels = torch.arange(200) % 2
    truth = torch.where(labels == 0, 0, torch.arange(200) // 2 % 4)
    found = Clusters(each=1, sample=8)(encoder, corpus, labels, truth, held_back)
    assert sorted(purity(truth[labels == c]) for c in (0, 1)) == [0.25, 1.0]
    assert found["mean_purity"] == pytest.approx(0.625)
    assert found["chance_purity"] < 0.75


def test_a_cluster_of_few_crops_is_filled_up_with_white(encoder, corpus, held_back):
    found = Clusters(each=1, shown=5, sample=4)(encoder, corpus, (torch.arange(200) > 2).long(), None, held_back)
    small = found["crops"][found["size"].tolist().index(3)]
    assert (small[3:] == 255).all()
    assert (small[:3] != 255).any()


def test_labelled_images_go_to_the_cluster_whose_mean_is_nearest(encoder, corpus, held_back):
    """One image at a time, with features and means in float64."""
    labels = torch.arange(200) // 50  # four clusters of 50 crops

    def unit(pixels):
        with torch.no_grad():
            feature = encoder.embed(signed(pixels))[0].double().numpy()
        return feature / np.linalg.norm(feature)

    clusters = Clusters(each=4, sample=50, concepts=Concepts(shown=3))
    found = clusters(encoder, corpus, labels, None, held_back)
    members, means = [[] for _ in range(4)], []
    for c in range(4):
        means.append(np.mean([unit(corpus.batch(torch.tensor([i]))) for i in range(50 * c, 50 * c + 50)], axis=0))
    for i in range(40):
        x = unit(held_back.test.images(torch.tensor([i])))
        cosines = [x @ mean / np.linalg.norm(mean) for mean in means]
        members[int(np.argmax(cosines))].append((-max(cosines), i))
    assert sorted(found["image_size"].tolist()) == sorted(len(some) for some in members)
    shares = [max(np.bincount([i % 2 for _, i in some])) for some in members if some]
    assert float(found["image_mean_purity"]) == pytest.approx(sum(shares) / 40)
    for crops, images, size, share, name in zip(
        *(found[key] for key in ("crops", "images", "image_size", "image_purity", "image_class")), strict=True
    ):
        cluster = next(
            c
            for c in range(4)
            if any((as_pixels(corpus.batch(torch.arange(50 * c, 50 * c + 50))) == crops[0]).all((1, 2, 3)))
        )
        nearest = [i for _, i in sorted(members[cluster])]
        assert size == len(nearest)
        np.testing.assert_array_equal(
            images[:size], as_pixels(held_back.test.images(torch.tensor(nearest[:3], dtype=torch.long)))
        )
        assert (images[size:] == 255).all()
        if size:
            counts = np.bincount([i % 2 for i in nearest], minlength=2)
            assert (share, name) == (counts.max() / size, "ab"[counts.argmax()])


def test_clusters_too_small_to_have_a_mean_take_no_images(encoder, corpus, held_back):
    found = Clusters(each=1, sample=120)(encoder, corpus, torch.arange(200) // 100, None, held_back)
    assert found["image_size"].tolist() == [-1] * len(found["kind"])
    assert np.isnan(found["image_mean_purity"])
    assert (found["images"] == 255).all()


def test_all_clusters_that_are_shown_have_a_mean_whatever_the_budget(encoder, corpus, held_back):
    labels = torch.arange(200) // 5  # forty clusters, of which ten are read
    found = Clusters(each=2, sample=5, budget=50)(encoder, corpus, labels, None, held_back)
    assert found["kind"].tolist() == ["tightest"] * 2 + ["largest"] * 2 + ["drawn"] * 2
    assert np.isfinite(found["spread"]).all()
    assert (found["image_size"] >= 0).all()


def test_images_of_another_size_are_scaled_and_as_many_as_asked_for_are_given_out(encoder, corpus, held_back):
    small = Stored(held_back.test.pixels[..., ::2, ::2].contiguous(), held_back.test.labels)
    data = Labelled("own", small, small, ("a", "b"), "", "f")
    clusters = Clusters(each=4, sample=50, concepts=Concepts(count=25))
    found = clusters(encoder, corpus, torch.arange(200) // 50, None, data)
    assert found["image_size"].sum() == 25
    assert found["images"].shape[1:] == (4, 32, 32, 3)
    index = keyed_subset(40, 25, "concepts")
    first = fit(small.images(index), 32)
    shown = found["images"][found["image_size"] > 0][:, 0]
    assert all((as_pixels(first) == picture).all((1, 2, 3)).any() for picture in shown)


def test_chance_is_the_purity_of_classes_dealt_at_random():
    """Of clusters as large, with 3 of 4 classes alike: about 3/4 in large ones, 1 in those of one image."""
    groups, truth = {0: torch.arange(100), 1: torch.tensor([100])}, torch.tensor([0, 0, 0, 1] * 25 + [1])
    mean, chance = mean_purities(groups, truth, "test")
    assert mean == pytest.approx(76 / 101)
    assert chance in (pytest.approx(75 / 101), pytest.approx(76 / 101))  # the last one's class dealt is 1 or 0
    assert np.isnan(mean_purities(groups, None, "test")).all()
    assert np.isnan(mean_purities({}, truth, "test")).all()


def test_neighbours_are_of_the_class_that_features_say(apart):
    features, data = apart
    found = Neighbours(queries=8, k=3)(features, data, Extraction())
    assert found["nearest"].shape == (8, 3, 8, 8, 3)
    assert sorted(found["classes"].tolist()) == sorted("abcd" * 2)
    assert (np.diff(found["cosine"], axis=1) <= 0).all()
    assert found["all_same"] == pytest.approx(17 / 20)
    assert str(found["layer"]) == "last"


def test_neighbours_shown_are_the_images_of_these_features(apart):
    """Asked for themselves, training images are their own nearest ones."""
    (train, _), data = apart
    own = Labelled("own", data.train, data.train, data.classes, "", "f")
    found = Neighbours(queries=4, k=1)((train, train), own, Extraction())
    np.testing.assert_array_equal(found["nearest"][:, 0], found["query"])


def test_confusions_count_every_test_image_in_the_line_of_its_class(apart):
    features, data = apart
    counts = Confusions(k=5)(features, data, Extraction())["counts"]
    assert counts.sum() == 20
    assert np.trace(counts) == 17
    np.testing.assert_array_equal(counts.sum(axis=1), features[1].labels.bincount().numpy())


def test_pca_colours_tell_places_of_unlike_features_apart():
    y = torch.zeros(1, 6, 8, 8)
    y[:, 0, :, :4], y[:, 1, :, 4:] = 5.0, 5.0
    colours, share = leading(y + 0.01 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0)))
    assert share > 0.9
    left, right = colours[0, 0, :, :4], colours[0, 0, :, 4:]
    assert abs(left.mean() - right.mean()) > 0.9
    assert 0 <= colours.min() <= colours.max() <= 1


def test_two_channels_leave_the_third_colour_black():
    assert leading(torch.randn(2, 2, 5, 5))[0][:, 2].abs().max() == 0


def test_there_is_a_map_for_every_layer(encoder):
    found = PCAColours(size=32)(encoder, [torch.randint(0, 255, (3, 32, 32), dtype=torch.uint8)] * 2)
    assert found["layers"].tolist() == encoder.names
    assert [found[f"map_{i}"].shape for i in range(4)] == [(2, n, n, 3) for n in (16, 8, 4, 2)]


def test_first_layers_have_three_channels_or_two_behind_sobel(encoder):
    assert first_layer(encoder).shape == (8, 5, 5, 3)
    assert first_layer(AlexNet(width=0.125, sobel=True).encoder()).shape == (12, 11, 11, 2)


def test_pixels_are_rounded():
    assert as_pixels(torch.full((2, 3, 1, 1), 0.5)).tolist() == [[[[128, 128, 128]]]] * 2


@pytest.fixture
def transformer():
    torch.manual_seed(0)
    return ViT(dim=12, depth=3, heads=3, patch=4, image=16).encoder().eval()


def test_pca_colours_of_a_transformer_are_of_its_blocks(transformer):
    found = PCAColours(size=32)(transformer, [torch.randint(0, 255, (3, 32, 32), dtype=torch.uint8)])
    assert found["layers"].tolist() == ["block1", "block2", "block3"]
    assert found["map_2"].shape == (1, 8, 8, 3)


def test_attention_is_told_with_how_far_it_is_spread(transformer):
    pictures = [torch.randint(0, 255, (3, 32, 32), dtype=torch.uint8)] * 2
    found = Attention(size=32)(transformer, pictures)
    assert found["maps"].shape == (2, 3, 8, 8)
    assert (found["maps"].sum((2, 3)) < 1).all()  # [CLS] heeds itself too
    last = transformer.stack[-1].self_attention
    with torch.no_grad():
        last.in_proj_weight.zero_()  # no query, so all keys alike
    even = Attention(size=32)(transformer, pictures)
    np.testing.assert_allclose(even["maps"], 1 / 65, rtol=1e-5)
    np.testing.assert_allclose(even["used"], 1, rtol=1e-5)
    with torch.no_grad():
        last.in_proj_weight[:24] = 100 * torch.randn(24, 12)
    assert (Attention(size=32)(transformer, pictures)["used"] < 0.9).all()


def test_only_transformers_attend(encoder):
    with pytest.raises(UserError, match="no transformer"):
        Attention(size=32)(encoder, [torch.zeros(3, 32, 32, dtype=torch.uint8)])
