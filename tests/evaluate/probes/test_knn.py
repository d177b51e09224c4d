"""Laws of the nearest-neighbour probe, against a slow loop."""

import math

import numpy as np
import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.evaluate.features import Features
from augstudy.evaluate.probes.knn import KNN


def data(n, seed, classes=4):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (n,), generator=generator)
    x = torch.randn(n, 6, generator=generator)
    x[torch.arange(n), labels] += 1.2
    return Features({"conv1": x}, labels)


def slow_top1(train, test, k, temperature):
    x, again = train.layers["conv1"].double().numpy(), test.layers["conv1"].double().numpy()
    mean, sd = x.mean(0), x.std(0, ddof=1)
    bank = [(v - mean) / sd / np.linalg.norm((v - mean) / sd) for v in x]
    right = 0
    for query, truth in zip(again, test.labels.tolist(), strict=True):
        query = (query - mean) / sd / np.linalg.norm((query - mean) / sd)
        cosines = [float(query @ v) for v in bank]
        votes = {}
        for i in sorted(range(len(bank)), key=lambda i: -cosines[i])[:k]:
            label = int(train.labels[i])
            votes[label] = votes.get(label, 0.0) + math.exp((cosines[i] - 1) / temperature)
        right += max(votes, key=votes.get) == truth
    return 100 * right / len(again)


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.1), (5, 0.1), (20, 0.1), (20, 1.0), (10, 0.001), (999, 0.1)])
def test_votes_are_those_of_a_slow_loop(k, temperature):
    train, test = data(150, 0), data(200, 1)
    [found] = KNN(k=k, temperature=temperature)(train, test)
    assert found.metric == "top1"
    assert found.value == pytest.approx(slow_top1(train, test, k, temperature), abs=0.51)  # one vote may be a tie


def test_an_image_of_the_training_set_finds_itself():
    train = data(150, 0)
    [found] = KNN(k=1)(train, train)
    assert found.value == 100


def test_a_cold_temperature_is_the_nearest_neighbour_alone():
    train, test = data(150, 0), data(200, 1)
    assert KNN(k=50, temperature=0.001)(train, test)[0].value == pytest.approx(KNN(k=1)(train, test)[0].value, abs=1)


def test_many_queries_are_judged_in_parts_alike():
    train, test = data(150, 0), data(2100, 1)
    whole = KNN()(train, test)[0].value
    parts = [Features({"conv1": test.layers["conv1"][i : i + 700]}, test.labels[i : i + 700]) for i in (0, 700, 1400)]
    assert whole == pytest.approx(sum(KNN()(train, part)[0].value for part in parts) / 3)


@pytest.mark.parametrize("wrong", [{"k": 0}, {"temperature": 0.0}])
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        KNN(**wrong)
