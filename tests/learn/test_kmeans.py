"""Laws of k-means and whitening, against NumPy and scikit-learn."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from torch.utils._python_dispatch import TorchDispatchMode

from augstudy.core import rng
from augstudy.core.errors import UserError
from augstudy.learn.kmeans import assign, kmeans, pca_whiten, spread


def inertia(x, labels, centroids):
    return float(((x - centroids[labels]) ** 2).sum())


def blobs(spread, n=600, centres=8, seed=0):
    x, _ = make_blobs(n, 5, centers=centres, cluster_std=spread, random_state=seed)
    return torch.from_numpy(x).float()


class Largest(TorchDispatchMode):
    """Notes the bytes of the largest tensor that any operation gives."""

    def __init__(self):
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        made = result if isinstance(result, tuple | list) else (result,)
        self.bytes = max([self.bytes, *(t.nbytes for t in made if isinstance(t, torch.Tensor))])
        return result


def test_assign_is_brute_force_whatever_the_memory():
    torch.manual_seed(0)
    x, centroids = torch.randn(50, 4), torch.randn(7, 4)
    square = ((x.numpy()[:, None] - centroids.numpy()[None]) ** 2).sum(2)  # (N, K)
    for budget in (1, 4 * 7 * 7, 4 * 7 * 50, 1 << 29):
        labels, distance = assign(x, centroids, budget)
        assert np.array_equal(labels.numpy(), square.argmin(1))
        np.testing.assert_allclose(distance.numpy(), square.min(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spread", [0.5, 2, 6])
def test_from_the_same_start_it_ends_where_scikit_learn_ends(spread):
    x = blobs(spread)
    labels, centroids, _ = kmeans(x, 8, 100, 0, "test")
    start = x[rng.permutation(0, "test", len(x))[:8]].numpy()
    reference = KMeans(8, init=start, n_init=1, max_iter=100, tol=0, algorithm="lloyd").fit(x.numpy())
    assert inertia(x, labels, centroids) <= 1.01 * reference.inertia_


def test_the_best_of_some_starts_is_as_good_as_scikit_learns_best():
    x = blobs(1.0)
    found = [inertia(x, *kmeans(x, 8, 100, seed, "test")[:2]) for seed in range(20)]
    best = KMeans(8, n_init=20, random_state=0).fit(x.numpy()).inertia_
    assert min(found) <= 1.01 * best


def test_more_iterations_never_do_worse():
    x = blobs(3.0)
    found = [inertia(x, *kmeans(x, 8, iterations, 0, "test")[:2]) for iterations in range(1, 12)]
    assert all(after <= before * (1 + 1e-6) for before, after in pairwise(found))


def test_labels_are_the_nearest_of_the_centroids_returned():
    x = blobs(2.0)
    labels, centroids, _ = kmeans(x, 8, 5, 0, "test")
    assert torch.equal(labels, assign(x, centroids)[0])


def test_one_cluster_is_the_mean():
    x = blobs(1.0)
    labels, centroids, reseeded = kmeans(x, 1, 3, 0, "test")
    assert labels.count_nonzero() == 0
    assert reseeded == 0
    torch.testing.assert_close(centroids[0], x.mean(0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("clusters", [5, 9, 40])
def test_more_clusters_than_points_leave_every_point_on_its_own(clusters):
    x = torch.randn(5, 3)
    labels, centroids, _ = kmeans(x, clusters, 4, 0, "test")
    assert sorted(labels.tolist()) == [0, 1, 2, 3, 4]
    assert inertia(x, labels, centroids) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("clusters", [3, 4, 10])
def test_repeated_points_are_found_all_the_same(clusters):
    x = torch.tensor([[0.0, 0], [5, 0], [0, 7]]).repeat(20, 1)
    labels, centroids, _ = kmeans(x, clusters, 20, 0, "test")
    assert torch.isfinite(centroids).all()
    assert inertia(x, labels, centroids) == pytest.approx(0, abs=1e-9)


def test_identical_points_give_finite_centroids():
    labels, centroids, _ = kmeans(torch.full((30, 4), 2.5), 6, 5, 0, "test")
    assert torch.isfinite(centroids).all()
    torch.testing.assert_close(centroids[labels], torch.full((30, 4), 2.5))


def test_an_empty_cluster_takes_the_point_worst_served():
    """All starts fall on one pile; the points far off are found only by re-seeding."""
    x = torch.cat([torch.zeros(200, 2), torch.tensor([[100.0, 0], [0, 100]])])
    labels, centroids, reseeded = kmeans(x, 3, 10, 0, "test")
    assert reseeded > 0
    assert len({int(labels[0]), int(labels[200]), int(labels[201])}) == 3
    assert inertia(x, labels, centroids) == pytest.approx(0, abs=1e-9)


def test_it_is_a_function_of_its_key():
    x = blobs(6.0)
    a, b, c = (kmeans(x, 8, 3, seed, "test")[1] for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_whitened_features_have_the_identity_as_covariance():
    torch.manual_seed(0)
    x = torch.randn(500, 12) @ torch.randn(12, 12) + 5
    y = pca_whiten(x, 7).numpy()
    assert y.shape == (500, 7)
    np.testing.assert_allclose(np.cov(y.T), np.eye(7), atol=1e-4)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-5)


def test_whitening_keeps_the_leading_axes_in_order_of_variance():
    torch.manual_seed(0)
    x = torch.randn(400, 4) * torch.tensor([1.0, 10, 0.1, 5])
    y = pca_whiten(x.clone(), 2)
    correlation = np.corrcoef(np.c_[y.numpy(), x.numpy()].T)[:2, 2:]
    assert np.abs(correlation).argmax(1).tolist() == [1, 3]


def test_axes_without_variance_are_zero_instead_of_noise():
    torch.manual_seed(0)
    x = torch.randn(100, 2) @ torch.randn(2, 6)
    y = pca_whiten(x, 6)
    np.testing.assert_allclose(np.cov(y.numpy().T), np.diag([1, 1, 0, 0, 0, 0]), atol=1e-4)
    assert pca_whiten(torch.full((10, 3), 4.0), 3).count_nonzero() == 0


def test_whitening_to_more_dimensions_than_there_are_gives_all():
    assert pca_whiten(torch.randn(50, 3), 256).shape == (50, 3)


@pytest.mark.parametrize("seeding", ["random", "k-means++"])
def test_little_memory_gives_the_same_clusters(seeding):
    x = blobs(3.0)
    much, little = (kmeans(x, 8, 10, 0, "test", seeding, budget=budget) for budget in (1 << 29, 2000))
    assert torch.equal(much[0], little[0])
    torch.testing.assert_close(much[1], little[1])
    assert much[2] == little[2]


def test_no_more_memory_is_taken_than_allowed():
    x, budget = torch.randn(5000, 4), 100_000  # a whole table of distances would be 6 MB
    with Largest() as largest:
        kmeans(x, 300, 2, 0, "test", budget=budget)
    assert x.nbytes <= largest.bytes <= budget


def test_whitening_in_parts_is_whitening_at_once():
    torch.manual_seed(0)
    x = torch.randn(500, 12) @ torch.randn(12, 12) + 5
    parts = pca_whiten(x.clone(), 7, budget=5000)
    torch.testing.assert_close(parts, pca_whiten(x, 7), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dims", [3, 12, 40])
def test_whitening_takes_no_memory_but_its_scratch_and_gives_that_of_the_features(dims, live_bytes):
    x = torch.randn(5000, 12)
    place = x.data_ptr()
    with live_bytes() as live:
        y = pca_whiten(x, dims, budget=5000)
    assert live.peak <= x.nbytes / 10
    assert y.data_ptr() == place
    assert y.shape == (5000, min(dims, 12))
    np.testing.assert_allclose(np.cov(y.numpy().T), np.eye(min(dims, 12)), atol=1e-3)


def test_spread_starts_are_drawn_by_their_squared_distance_from_those_before():
    """Of three points on a line the second start is one of the two others, by the squares of their distances."""
    x = torch.tensor([[0.0], [1.0], [3.0]])
    square = np.square(x.numpy() - x.numpy().T)
    expected = square / square.sum(1, keepdims=True)
    found = np.zeros((3, 3))
    for seed in range(3000):
        first, second = spread(x, 2, seed, "test").tolist()
        found[first, second] += 1
    np.testing.assert_allclose(found.sum(1) / 3000, 1 / 3, atol=0.03)
    np.testing.assert_allclose(found / found.sum(1, keepdims=True), expected, atol=0.05)


def test_spread_starts_find_every_pile_where_random_ones_do_not():
    x = torch.tensor([[0.0, 0], [50, 0], [0, 50], [50, 50]]).repeat_interleave(torch.tensor([94, 2, 2, 2]), 0)
    for seed in range(5):
        assert len(x[spread(x, 4, seed, "test")].unique(dim=0)) == 4
        assert len(spread(x, 100, seed, "test").unique()) >= 4  # and go on when all distances are 0


@pytest.mark.parametrize("spread_of_blobs", [0.5, 1.0])
def test_spread_starts_end_where_scikit_learn_ends(spread_of_blobs):
    x = blobs(spread_of_blobs)
    found = min(inertia(x, *kmeans(x, 8, 100, seed, "test", "k-means++")[:2]) for seed in range(5))
    assert found <= 1.01 * KMeans(8, n_init=5, random_state=0).fit(x.numpy()).inertia_


def test_an_unknown_seeding_is_named():
    with pytest.raises(UserError, match="seeding is 'best'"):
        kmeans(torch.randn(9, 2), 3, 1, 0, "test", "best")


def test_spherical_centroids_are_the_directions_of_their_members():
    torch.manual_seed(0)
    x = torch.nn.functional.normalize(torch.randn(200, 5), dim=1)
    labels, centroids, reseeded = kmeans(x, 6, 8, 0, "test", spherical=True)
    assert reseeded == 0
    points, c = x.double().numpy(), x[rng.permutation(0, "test", 200)[:6]].double().numpy()
    for _ in range(8):
        nearest = (points @ c.T).argmax(1)
        sums = np.stack([points[nearest == k].sum(0) for k in range(6)])
        c = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    np.testing.assert_allclose(centroids.numpy(), c, atol=1e-5)
    assert np.array_equal(labels.numpy(), (points @ c.T).argmax(1))
