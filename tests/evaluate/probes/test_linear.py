"""Laws of the linear probe's fast protocol, against scikit-learn's logistic regression."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from augstudy.core.errors import UserError
from augstudy.evaluate.features import Features
from augstudy.evaluate.logistic import logistic
from augstudy.evaluate.probes.linear import Linear
from augstudy.evaluate.scores import accuracy, standardised

PENALTIES = (1.0, 0.1, 1e-2, 1e-3, 1e-4)


def data(n, seed, dims=60, classes=5, gap=0.35):
    """Classes whose features repeat each other, as those of a layer do: a few axes have most of the variance."""
    generator = torch.Generator().manual_seed(seed)
    fixed = torch.Generator().manual_seed(99)
    labels = torch.randint(classes, (n,), generator=generator)
    centres, mix = torch.randn(classes, dims, generator=fixed), torch.randn(dims, dims, generator=fixed)
    x = gap * centres[labels] + torch.randn(n, dims, generator=generator)
    x = x * torch.logspace(1.5, -1, dims) @ mix
    return Features({"conv1": x.relu() + 3}, labels)


def metric(probe, train, test, name):
    return next(m.value for m in probe(train, test) if m.metric == name)


@pytest.fixture(scope="module")
def spaces():
    train, test = data(1500, 0), data(4000, 1)
    return *standardised(train.layers["conv1"], test.layers["conv1"]), train.labels, test.labels


def reference(x, labels, penalty):
    model = LogisticRegression(C=1 / (penalty * len(x)), tol=1e-6, max_iter=5000)
    return model.fit(x.double().numpy(), labels.numpy())


def test_scores_are_those_of_scikit_learn_at_every_penalty(spaces):
    x, again, labels, truth = spaces
    found = logistic(x, labels, 5, PENALTIES)
    exact = logistic(x, labels, 5, PENALTIES, tolerance=1e-8)
    for i, penalty in enumerate(PENALTIES):
        model = reference(x, labels, penalty)
        expected = 100 * (model.predict(again.double().numpy()) == truth.numpy()).mean()
        assert accuracy(found.scores(again)[i], truth) == pytest.approx(expected, abs=0.3)
        assert accuracy(exact.scores(again)[i], truth) == pytest.approx(expected, abs=0.1)
        np.testing.assert_allclose(
            exact.scores(again)[i].softmax(1).numpy(), model.predict_proba(again.double().numpy()), atol=0.01
        )


def test_few_steps_are_enough_and_the_gap_that_is_left_is_told(spaces):
    x, _, labels, _ = spaces
    found = logistic(x, labels, 5, PENALTIES, tolerance=3e-5)
    assert found.steps <= 40
    assert bool((found.left < 3e-5).all())
    assert logistic(x, labels, 5, PENALTIES, steps=3).steps == 3


def test_a_penalty_alone_finds_what_it_finds_beside_others(spaces):
    x, again, labels, _ = spaces
    together = logistic(x, labels, 5, PENALTIES, tolerance=1e-7).scores(again)
    for i in (0, 2, 4):
        alone = logistic(x, labels, 5, PENALTIES[i : i + 1], tolerance=1e-7).scores(again)[0]
        torch.testing.assert_close(together[i].softmax(1), alone.softmax(1), atol=5e-3, rtol=0)


def test_a_start_from_the_solution_is_over_at_once(spaces):
    x, _, labels, _ = spaces
    found = logistic(x, labels, 5, PENALTIES)
    again = logistic(x, labels, 5, PENALTIES, start=found)
    assert again.steps <= 2
    one = found.only(3)
    assert one.weights.shape == (1, 60, 5)
    assert logistic(x, labels, 5, PENALTIES[3:4], start=one).steps <= 2


def test_the_penalty_is_the_best_on_a_held_out_part_of_the_training_images():
    """With few noisy images a strong penalty is better."""
    few, test = data(80, 0, gap=0.1), data(2000, 1, gap=0.1)
    probe = Linear(held_out=0.5)
    assert metric(probe, few, test, "penalty") >= 1e-2
    assert metric(probe, few, test, "top1") >= metric(Linear(penalties=(1e-4,)), few, test, "top1") - 1


def test_of_equally_good_penalties_the_largest_is_taken():
    train, test = data(300, 0, gap=30), data(100, 1, gap=30)
    assert metric(Linear(penalties=(0.1, 1e-3, 1e-2)), train, test, "penalty") == 0.1


def test_the_order_of_the_candidates_does_not_matter():
    train, test = data(200, 0), data(200, 1)
    a, b = (Linear(penalties=p)(train, test) for p in ((1e-3, 0.1, 10.0), (10.0, 1e-3, 0.1)))
    assert a == b


def test_features_that_repeat_each_other_do_not_break_a_small_penalty():
    torch.manual_seed(0)
    x = torch.randn(500, 1) + 1e-4 * torch.randn(500, 300)
    train = Features({"conv1": x}, torch.arange(500) % 3)
    assert metric(Linear(penalties=(1e-8,)), train, train, "top1") >= 33


def test_more_features_than_images_are_no_obstacle():
    train, test = data(20, 0, dims=60, gap=3), data(200, 1, dims=60, gap=3)
    assert metric(Linear(), train, test, "top1") > 60


def test_a_class_that_only_the_test_has_is_simply_wrong():
    train, test = data(200, 0, gap=30), data(100, 1, gap=30)
    labels = test.labels.clone()
    labels[:10] = 7
    assert metric(Linear(), train, Features(test.layers, labels), "top1") == pytest.approx(90)


@pytest.mark.parametrize(
    "wrong",
    [{"penalties": ()}, {"penalties": (0.0,)}, {"held_out": 0.0}, {"held_out": 0.9}, {"steps": 0}, {"tolerance": 0.0}],
)
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Linear(**wrong)


def test_features_that_never_change_are_counted_and_change_nothing():
    train, test = data(300, 0), data(300, 1)
    dead = [
        Features({"conv1": torch.cat((f.layers["conv1"], torch.full((300, 20), 3.0)), 1)}, f.labels)
        for f in (train, test)
    ]
    assert metric(Linear(), train, test, "constant") == 0
    assert metric(Linear(), *dead, "constant") == pytest.approx(25)
    assert metric(Linear(), *dead, "top1") == metric(Linear(), train, test, "top1")


def test_fewer_images_than_features_are_solved_in_their_span(spaces):
    x, again, labels, _ = spaces
    few, known = x[:40], labels[:40]
    strong = PENALTIES[:3]  # so few are told apart perfectly, and without a penalty probabilities have no end
    found = logistic(few, known, 5, strong, tolerance=1e-8)
    for i, penalty in enumerate(strong):
        expected = reference(few, known, penalty).predict_proba(again.double().numpy())
        np.testing.assert_allclose(found.scores(again)[i].softmax(1).numpy(), expected, atol=0.01)
    assert found.weights.shape == (3, 60, 5)
    assert logistic(few, known, 5, strong, start=found).steps <= 2
    more = logistic(x, labels, 5, strong, start=found)  # whose inverses are not at hand
    torch.testing.assert_close(
        more.scores(again).softmax(2), logistic(x, labels, 5, strong).scores(again).softmax(2), atol=0.02, rtol=0
    )
