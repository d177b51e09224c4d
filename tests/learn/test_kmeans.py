"""Laws of k-means and whitening, against NumPy and scikit-learn."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from augstudy.core import rng
from augstudy.learn.kmeans import assign, kmeans, pca_whiten


def inertia(x, labels, centroids):
    return float(((x - centroids[labels]) ** 2).sum())


def blobs(spread, n=600, centres=8, seed=0):
    x, _ = make_blobs(n, 5, centers=centres, cluster_std=spread, random_state=seed)
    return torch.from_numpy(x).float()


def test_assign_is_brute_force_whatever_the_chunk():
    torch.manual_seed(0)
    x, centroids = torch.randn(50, 4), torch.randn(7, 4)
    square = ((x.numpy()[:, None] - centroids.numpy()[None]) ** 2).sum(2)  # (N, K)
    for chunk in (1, 7, 50, 1000):
        labels, distance = assign(x, centroids, chunk)
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
    y = pca_whiten(x, 2)
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
