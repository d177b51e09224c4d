"""Laws of DINO: its loss against a slow reference, its switches, and the collapse that one of them brings."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from lightly.loss import DINOLoss
from torchvision.ops import StochasticDepth

from augstudy.data.images import find_image, load_image
from augstudy.learn.backbones.conv4 import Conv4
from augstudy.learn.backbones.vit import ViT
from augstudy.learn.methods.base import Batch, Context
from augstudy.learn.methods.dino import DINO
from augstudy.learn.targets import OPERATIONS, sinkhorn
from augstudy.show.report.cautions import COLLAPSED_NATS, at_the_end

SMALL = DINO(epochs=4, batch_size=8, prototypes=7, hidden=12, bottleneck=6, ema=0.9, frozen=0.0, temperature_warmup=0.5)
BACKBONES = {"conv": Conv4(width=0.125), "vit": ViT(dim=12, depth=2, heads=2, patch=4, image=16)}


def made(backbone="vit", **settings):
    torch.manual_seed(0)
    method = replace(SMALL, **settings)
    return method.modules(BACKBONES[backbone].encoder(), Context(0, 16, 64)).train()


def batch(step=0, n=8, sizes=(16, 16)):
    generator = torch.Generator().manual_seed(1)
    views = [torch.rand(n, 3, size, size, generator=generator) * 2 - 1 for size in sizes]
    return Batch(views, torch.arange(n), step=step)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_loss_is_cross_entropy_with_the_target_of_each_other_large_view(backbone, operation):
    """Steps 0 and 8 of 32 have the teacher at 0.04 and half way to 0.07."""
    modules = made(backbone, operation=operation).eval()
    modules.center.copy_(torch.linspace(-1, 1, 7))
    for step, temperature in ((0, 0.04), (8, 0.055), (31, 0.07)):
        given = batch(step, sizes=(16, 16, 8, 8))
        teacher = [modules.teacher(view).double().numpy() for view in given.views[:2]]
        if operation == "centering":
            raw = [np.exp((t - np.linspace(-1, 1, 7)) / temperature) for t in teacher]
            targets = [t / t.sum(1, keepdims=True) for t in raw]
        else:
            both = torch.tensor(np.concatenate(teacher))
            targets = sinkhorn(both, temperature, {"sinkhorn": 3, "softmax": 1}[operation]).double().chunk(2)
            targets = [t.numpy() for t in targets]
        losses = []
        for t, target in enumerate(targets):
            for s, view in enumerate(given.views):
                if s != t:
                    y = modules.student(view).detach().double().numpy() / 0.1
                    said = y - np.log(np.exp(y).sum(1, keepdims=True))
                    losses.append(-(target * said).sum(1).mean())
        assert len(losses) == 6
        assert modules.loss(given).item() == pytest.approx(np.mean(losses), rel=1e-4)


def test_with_centering_it_is_lightlys_and_so_is_the_centre_after_a_step():
    modules = made(temperature_warmup=0.0, center_momentum=0.8).eval()
    given, peer = batch(sizes=(16, 16, 8)), DINOLoss(7, teacher_temp=0.07, center_momentum=0.8)
    for _ in range(2):
        logits = [
            [network(v).detach() for v in given.views[:n]]
            for network, n in ((modules.teacher, 2), (modules.student, 3))
        ]
        assert modules.loss(given).item() == pytest.approx(peer(*logits).item(), rel=1e-5)
        modules.after_step()
        torch.testing.assert_close(modules.center, peer.center.flatten())


@pytest.mark.parametrize("momentum", [True, False])
def test_the_teacher_follows_or_is_the_student(momentum):
    modules = made(momentum_teacher=momentum)
    before = [p.clone() for p in modules.teacher.parameters()]
    modules.loss(batch(step=16))
    with torch.no_grad():
        for p in modules.student.parameters():
            p.add_(0.5)
    modules.after_step()
    ema = 1 - 0.1 / 2 if momentum else 0  # half way of 32 steps
    for t, old, s in zip(modules.teacher.parameters(), before, modules.student.parameters(), strict=True):
        torch.testing.assert_close(t, ema * old + (1 - ema) * s.detach())
    assert modules.outcome() is modules.teacher.encoder


def test_no_gradient_reaches_the_teacher_and_it_drops_no_branch():
    torch.manual_seed(0)
    encoder = ViT(dim=12, depth=2, heads=2, patch=4, image=16, drop_path=0.9).encoder()
    modules = SMALL.modules(encoder, Context(0, 16, 64)).train()
    modules.loss(batch()).backward()
    assert all(p.grad is None for p in modules.teacher.parameters())
    rates = [[m.p for m in n.modules() if isinstance(m, StochasticDepth)] for n in (modules.student, modules.teacher)]
    assert set(rates[0]) == {0.9}
    assert set(rates[1]) == {0.0}


@pytest.mark.parametrize(("step", "moves"), [(0, False), (7, False), (8, True)])
def test_prototypes_stay_as_they_are_at_first(step, moves):
    """A quarter of 32 steps; everything else is trained."""
    modules = made(frozen=0.25)
    modules.loss(batch(step)).backward()
    modules.before_step()
    last = {id(p) for p in modules.student.head.last.parameters()}
    for p in modules.student.parameters():
        assert (p.grad is not None) == (moves or id(p) not in last)


def test_each_gradient_is_clipped_by_itself():
    modules = made(clip=0.5)
    (1e4 * modules.loss(batch())).backward()
    modules.before_step()
    lengths = [p.grad.norm().item() for p in modules.student.parameters()]
    assert max(lengths) == pytest.approx(0.5, rel=1e-3)
    assert sum(length > 0.49 for length in lengths) > 3


@pytest.mark.parametrize("norm", [True, False])
def test_prototypes_are_of_length_one_and_may_grow_if_they_may(norm):
    modules = made(norm_last=norm)
    torch.testing.assert_close(modules.student.head.last.weight.norm(dim=1), torch.ones(7))
    x = batch().views[0]
    unit = modules.student.head.unit(modules.encoder.embed(x))
    torch.testing.assert_close(unit.norm(dim=1), torch.ones(8))
    assert modules.student(x).abs().max() <= 1 + 1e-5
    assert modules.student.head.last.parametrizations.weight.original0.requires_grad != norm


def test_decay_rises_and_spares_biases_and_norms():
    modules = made()
    optimizer = SMALL.optimizers(modules)["loss"]
    for progress, decay in ((0, 0.04), (0.5, 0.22), (1, 0.4)):
        SMALL.tune(optimizer, progress)
        assert [group["weight_decay"] for group in optimizer.param_groups] == pytest.approx([decay, 0])
    assert all(p.ndim == 1 for p in optimizer.param_groups[1]["params"])


def test_published_rate():
    paper = DINO()
    assert paper.lr == pytest.approx(0.0005 * paper.batch_size / 256)
    assert [paper.temperature_at(p) for p in (0, 15 / 800, 30 / 800, 1)] == pytest.approx([0.04, 0.055, 0.07, 0.07])


def told(pretraining):
    """What a short training ends with, and its loss."""
    modules, optimizers = pretraining.make()
    for epoch in range(pretraining.method.epochs):
        pretraining.epoch(epoch, modules, optimizers, lambda *words: None)
    return {d.metric: d for d in pretraining._judge(modules)}


SHORT = [
    *("corpus.count=960", "backbone.width=0.25", "view.crops=2x16", "view.scale=[0.14,0.4]", "view.blur_p=0"),
    *("method.epochs=6", "method.batch_size=64", "method.lr=0.003", "method.warmup=0.1", "method.prototypes=256"),
    *("method.hidden=128", "method.bottleneck=32", "method.ema=0.97", "method.last_weight_decay=0.1"),
    "method.teacher_temperature=0.04",
]


class TestOnAPhotograph:
    @pytest.fixture
    def picture(self):
        """In place of the texture of other tests: a photograph that scikit-image carries."""
        return load_image(find_image("astronaut", None).path)

    @pytest.mark.parametrize(
        ("momentum", "operation", "collapses"),
        [
            ("false", "centering", True),
            ("true", "centering", False),
            pytest.param("false", "sinkhorn", False, marks=pytest.mark.slow),
            pytest.param("false", "softmax", False, marks=pytest.mark.slow),
        ],
    )
    def test_centering_without_momentum_alone_collapses_and_is_told(self, momentum, operation, collapses, training):
        """As in the paper. Measured, in nats: 0.002 where it collapses, with momentum 0.13."""
        found = told(training("dino", *SHORT, f"method.momentum_teacher={momentum}", f"method.operation={operation}"))
        kinds = [kind for kind, _ in at_the_end(map(asdict, found.values()), {})]
        information, rank = (found[n].value for n in ("information in what is said", "effective rank of embeddings"))
        if collapses:
            assert information < COLLAPSED_NATS
            assert rank < 1.5
            assert "collapse" in kinds
        else:
            assert information > 2 * COLLAPSED_NATS
            assert rank > 2
            assert "collapse" not in kinds


def test_both_collapses_leave_no_information():
    for scale in (0.0, 100.0):  # all prototypes alike, or one
        modules = made().eval()
        last = modules.student.head.layers[-1]
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.ones_(last.bias)
        modules.student.head.last.parametrizations.weight.original0.data.fill_(scale)
        found = {d.metric: d for d in modules.diagnostics(batch(n=32))}
        assert found["information in what is said"].value == pytest.approx(0, abs=1e-5)
        entropy = found["entropy of what is said"]
        assert entropy.chance == pytest.approx(math.log(7))
        assert entropy.value == pytest.approx(math.log(7) if scale == 0 else 0, abs=0.2)
