"""How clusters are compared: by hand, on so few crops that it can be counted."""

import torch

from augstudy.learn.agreement import largest, matched


def test_matched_counts_crops_whose_views_share_a_cluster_beside_those_of_two_crops():
    found = matched("same", torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 2, 0]))
    assert (found.value, found.chance, found.unit) == (75, 50, "%")  # strangers: 0-0, 1-0, 2-1, 2-2


def test_largest_is_the_share_of_the_fullest_cluster_beside_an_even_one():
    found = largest(torch.tensor([3, 3, 0, 3, 1]), 4)
    assert (found.value, found.chance, found.better) == (60, 25, "lower")
