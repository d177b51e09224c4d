"""Laws of learned views: who minimises what, which labels are seen, and encoders that begin anew on finished views."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.core.store import RunFolder
from augstudy.learn.backbones.base import fingerprint
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.checkpoint import load_encoder, save_encoder
from augstudy.learn.methods.base import Batch, Context
from augstudy.learn.methods.learned_views import LearnedViews, mutual
from augstudy.learn.sided import around

SMALL = LearnedViews(epochs=4, view_epochs=2, batch_size=8, dim=6, hidden=10, hidden_flow=8)
TINY = Conv4(width=0.125)


def made(settings=SMALL, classes=0):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = settings.network(TINY, None).encoder()
        return settings.modules(encoder, Context(0, 16, 64, classes)).train()


def batch(n=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Batch([torch.rand(n, 3, 16, 16, generator=generator) * 2 - 1], torch.arange(n), torch.arange(n) % 3)


def test_loss_is_info_nce_both_ways():
    generator = torch.Generator().manual_seed(0)
    z, w = (torch.nn.functional.normalize(torch.randn(7, 5, generator=generator), dim=1) for _ in range(2))
    scores, losses = (z @ w.T / 0.3).double().numpy(), []
    for i in range(7):
        for row in (scores[i], scores[:, i]):
            losses.append(np.log(np.exp(row).sum()) - row[i])
    assert mutual(z, w, 0.3).item() == pytest.approx(np.mean(losses), rel=1e-5)


def test_the_flow_minimises_what_the_encoders_maximise():
    modules = made()
    losses = modules.loss(batch())
    assert set(losses) == {"encoders", "views"}
    assert losses["views"].item() == pytest.approx(-losses["encoders"].item())
    half = made(replace(SMALL, minimise=0.5)).loss(batch())
    assert half["views"].item() == pytest.approx(-0.5 * half["encoders"].item())


def test_labels_are_asked_of_both_views_on_their_share_of_images():
    modules = made(replace(SMALL, labels=0.5), classes=3)
    given = batch(64)
    seen = modules.seen(given.index)
    assert 0 < seen.sum() < 64
    assert torch.equal(modules.seen(given.index.flip(0)), seen.flip(0))
    losses, pair = modules.loss(given), modules.compared(given.views)
    with torch.no_grad():
        expected = []
        for reader, x in zip(modules.readers, pair, strict=True):
            logits = reader(x).double().numpy()
            for i in seen.nonzero().flatten().tolist():
                expected.append(np.log(np.exp(logits[i]).sum()) - logits[i][given.labels[i]])
    ce = losses["views"].item() + losses["encoders"].item()
    assert ce == pytest.approx(np.sum(expected) / seen.sum().item(), rel=1e-4)


def test_a_batch_without_a_label_that_may_be_seen_has_no_loss_of_labels():
    modules = made(replace(SMALL, labels=1e-6), classes=3)
    assert modules.seen(torch.arange(8)).sum() == 0
    losses = modules.loss(batch())
    assert losses["views"].item() == pytest.approx(-losses["encoders"].item())


def test_encoders_begin_anew_on_views_that_stay(training):
    pretraining = training("learned_views", "method.epochs=4", "method.view_epochs=2", "method.optimizer=adam")
    modules, optimizers = pretraining.make()
    first, views = fingerprint(modules.towers), fingerprint(modules.lens)
    for epoch in range(2):
        pretraining.epoch(epoch, modules, optimizers, lambda *words: None)
    learnt = fingerprint(modules.lens)
    assert learnt != views
    assert fingerprint(modules.towers) != first
    modules.before_epoch(2, pretraining.source)
    assert fingerprint(modules.towers) == first
    assert modules.renewed(2) == ("encoders",)
    pretraining.epoch(2, modules, optimizers, lambda *words: None)
    assert {int(state["step"]) for state in optimizers["encoders"].state.values()} == {3}  # counted from its beginning
    assert modules.renewed(3) == ()
    assert fingerprint(modules.lens) == learnt


def test_given_views_are_never_trained(training):
    pretraining = training("learned_views", "method.minimise=0")
    modules, optimizers = pretraining.make()
    views, first = fingerprint(modules.lens), fingerprint(modules.towers)
    steps = []
    for epoch in range(2):
        pretraining.epoch(epoch, modules, optimizers, lambda done, total, note: steps.append(done))
    assert steps[0] == 1  # one for the epoch in which nothing is learnt
    assert steps[-1] == 6
    assert set(optimizers) == {"encoders"}
    assert fingerprint(modules.lens) == views
    assert fingerprint(modules.towers) != first


def test_given_views_have_the_training_of_learnt_ones(training):
    """The stage before leaves no trace in it: the same as without such a stage."""
    prints = []
    for epochs, views in ((2, 1), (1, 0)):
        settings = (f"method.epochs={epochs}", f"method.view_epochs={views}", "method.minimise=0", "method.lr=0.01")
        pretraining = training("learned_views", *settings, "method.optimizer=adam", folder=str(epochs))
        modules, optimizers = pretraining.make()
        rates = [pretraining.epoch(e, modules, optimizers, lambda *words: None)["lr"] for e in range(epochs)]
        prints.append((round(rates[-1], 9), {int(s["step"]) for s in optimizers["encoders"].state.values()}))
    assert prints[0] == prints[1]


def test_the_schedule_runs_once_for_the_views_and_once_more():
    method = LearnedViews(epochs=10, view_epochs=4, schedule="cosine")
    assert [method.lr_share(p) for p in (0, 0.2, 0.4, 0.7, 1)] == pytest.approx([1, 0.5, 1, 0.5, 0])
    steps = 30
    assert min(method.lr_share(step / (steps * 10)) for step in range(steps * 10)) > 0


def test_the_flow_is_saved_with_the_encoder_and_probes_look_through_it(tmp_path):
    modules = made(replace(SMALL, space="ydbdr", preserving=False))
    for p in modules.lens.parameters():
        torch.nn.init.normal_(p, std=0.3)
    network, folder = replace(SMALL, space="ydbdr", preserving=False).network(TINY, None), RunFolder(tmp_path)
    encoder = modules.encoder.eval()
    save_encoder(folder, encoder, "conv4", {"width": 0.125}, 16, around(network, "standard"))
    again, x = load_encoder(folder), batch().views[0]
    with torch.no_grad():
        first, second = modules.compared([x])
        for name, maps in again.layers(x).items():
            one, other = encoder.pair[0].layers(first)[name], encoder.pair[1].layers(second)[name]
            assert torch.equal(maps, torch.cat((one, other), 1))


def test_diagnostics_tell_what_is_shared_and_what_the_first_view_shows():
    modules = made(replace(SMALL, space="ydbdr")).eval()
    found = {d.metric: d for d in modules.diagnostics(batch(32))}
    shared = found["InfoNCE loss"].chance - found["InfoNCE loss"].value
    assert found["I_NCE of the two views"].value == pytest.approx(shared)
    assert found["first view told by luma (R2)"].value == pytest.approx(1, abs=1e-6)


def test_it_is_told_when_the_encoders_find_nothing_shared():
    modules = made().eval()
    x = batch(32).views[0]
    for other, expected in ((torch.eye(32), 0.0), (torch.eye(32).roll(1, 0), 1.0)):
        modules.projected = lambda pair, other=other: (torch.eye(32), other)
        found = {d.metric: d.value for d in modules.diagnostics(Batch([x], torch.arange(32)))}
        assert found["nothing shared that is found"] == expected


def test_labels_that_are_not_there_are_missed_before_training():
    with pytest.raises(UserError, match=r"labels is 0\.1, and crops have none"):
        made(replace(SMALL, labels=0.1))


@pytest.mark.parametrize("wrong", [{"view_epochs": 4}, {"labels": 2.0}, {"minimise": -1.0}, {"space": "cmyk"}])
def test_a_setting_out_of_range_is_named(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        replace(SMALL, **wrong)
