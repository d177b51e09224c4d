"""Laws of the ridge probe, against scikit-learn's ridge regression."""

import numpy as np
import pytest
import torch
from sklearn import linear_model

from augstudy.core.errors import UserError
from augstudy.evaluate.features import Features
from augstudy.evaluate.probes.ridge import Ridge, ridge, targets
from augstudy.evaluate.scores import standardised


def data(n, seed, dims=12, classes=5, gap=1.0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (n,), generator=generator)
    centres = torch.randn(classes, dims, generator=torch.Generator().manual_seed(99))
    x = gap * centres[labels] + torch.randn(n, dims, generator=generator)
    return Features({"conv1": x * torch.linspace(0.1, 20, dims) + 3}, labels)


def metric(probe, train, test, name):
    return next(m.value for m in probe(train, test) if m.metric == name)


@pytest.mark.parametrize("penalty", [1e-4, 0.03, 1.0, 10.0])
def test_predictions_are_those_of_scikit_learns_ridge(penalty):
    train, test = data(300, 0), data(200, 1)
    found = metric(Ridge(penalties=(penalty,)), train, test, "top1")

    x, again = train.layers["conv1"].double().numpy(), test.layers["conv1"].double().numpy()
    mean, sd = x.mean(0), x.std(0, ddof=1)
    reference = linear_model.Ridge(alpha=penalty * len(x)).fit((x - mean) / sd, np.eye(5)[train.labels])
    scores = reference.predict((again - mean) / sd)
    assert found == pytest.approx(100 * (scores.argmax(1) == test.labels.numpy()).mean())

    ours, after = standardised(train.layers["conv1"], test.layers["conv1"])
    weights, biases = ridge(ours, targets(train.labels, 5), [penalty * len(x)])
    np.testing.assert_allclose((after @ weights[0] + biases[0]).numpy(), scores, atol=1e-4)


def test_several_penalties_at_once_are_each_on_its_own():
    train = data(100, 0)
    x, y = train.layers["conv1"], targets(train.labels, 5)
    weights, biases = ridge(x, y, [0.5, 50.0])
    for i, penalty in enumerate((0.5, 50.0)):
        alone, bias = ridge(x, y, [penalty])
        torch.testing.assert_close(weights[i], alone[0])
        torch.testing.assert_close(biases[i], bias[0])


def test_the_penalty_is_the_best_on_a_held_out_part_of_the_training_images():
    """With few noisy images a strong penalty is better; with many, a weak one does no harm."""
    few, test = data(60, 0, dims=50, gap=0.4), data(2000, 1, dims=50, gap=0.4)
    chosen = metric(Ridge(held_out=0.5), few, test, "penalty")
    weak = metric(Ridge(penalties=(1e-4,)), few, test, "top1")
    assert chosen >= 0.03
    assert metric(Ridge(held_out=0.5), few, test, "top1") >= weak


def test_of_equally_good_penalties_the_largest_is_taken():
    train, test = data(300, 0, gap=30), data(100, 1, gap=30)
    assert metric(Ridge(penalties=(0.1, 1e-3, 1e-2)), train, test, "penalty") == 0.1


def test_the_order_of_the_candidates_does_not_matter():
    train, test = data(200, 0, gap=0.5), data(200, 1, gap=0.5)
    a, b = (Ridge(penalties=p)(train, test) for p in ((1e-3, 0.1, 10.0), (10.0, 1e-3, 0.1)))
    assert a == b


def test_test_labels_never_choose_the_penalty():
    train, test = data(200, 0, gap=0.5), data(200, 1, gap=0.5)
    expected = metric(Ridge(), train, test, "penalty")
    for shift in (1, 50, 117):
        permuted = Features(test.layers, test.labels.roll(shift))
        assert metric(Ridge(), train, permuted, "penalty") == expected


def test_features_that_all_but_repeat_each_other_do_not_break_a_small_penalty():
    torch.manual_seed(0)
    x = torch.randn(500, 1) + 1e-4 * torch.randn(500, 300)
    train = Features({"conv1": x}, torch.arange(500) % 3)
    assert metric(Ridge(penalties=(1e-10,)), train, train, "top1") >= 0


def test_a_class_that_only_the_test_has_is_simply_wrong():
    train, test = data(200, 0, gap=30), data(100, 1, gap=30)
    labels = test.labels.clone()
    labels[:10] = 7
    assert metric(Ridge(), train, Features(test.layers, labels), "top1") == pytest.approx(90)


@pytest.mark.parametrize("wrong", [{"penalties": ()}, {"penalties": (0.0,)}, {"held_out": 0.0}, {"held_out": 0.9}])
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Ridge(**wrong)
