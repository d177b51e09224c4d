"""Laws of the supervised reference."""

from dataclasses import replace

import numpy as np
import pytest
import torch


def test_loss_is_cross_entropy_of_the_labels(training):
    pretraining = training("supervised")
    modules, _ = pretraining.make()
    batch = pretraining.batch(torch.arange(8), 0)
    modules.eval()
    with torch.no_grad():
        logits = modules.head(modules.encoder.embed(batch.views[0])).double().numpy()
    losses = [np.log(np.exp(row).sum()) - row[label] for row, label in zip(logits, batch.labels.tolist(), strict=True)]
    assert modules.loss(batch).item() == pytest.approx(np.mean(losses), rel=1e-5)


def test_loss_of_several_views_is_the_mean_of_theirs(training):
    pretraining = training("supervised", "view.name=multicrop", "view.crops=2x16+2x10")
    modules, _ = pretraining.make()
    modules.eval()
    batch = pretraining.batch(torch.arange(8), 0)
    alone = [modules.loss(replace(batch, views=[view])).item() for view in batch.views]
    assert len(alone) == 4
    assert modules.loss(batch).item() == pytest.approx(np.mean(alone), rel=1e-5)


def test_accuracy_is_of_images_that_are_not_trained_on(training):
    pretraining = training("supervised")
    modules, _ = pretraining.make()
    index = pretraining.source.held_out(512)
    batch = pretraining.batch(index, 0)
    modules.eval()
    with torch.no_grad():
        guess = modules.head(modules.encoder.embed(batch.views[0])).argmax(1).numpy()
    [found] = pretraining._judge(modules)
    assert found.value == pytest.approx(100 * np.mean(guess == batch.labels.numpy()))
    assert found.chance == pytest.approx(100 / 3)
