"""What every pretext method must obey; a new file in learn/methods is tested on arrival."""

import math
from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric
from torch.utils._python_dispatch import TorchDispatchMode

from augstudy.core import registry
from augstudy.learn.backbones.base import fingerprint
from augstudy.learn.methods.base import Context, Method

METHODS = registry.names("learn.methods")
TRAINED = [name for name in METHODS if registry.find("learn.methods", name).trains]


def prepared(training, name, *overrides, seed=0):
    """A training with its modules, ready for the first step of the first epoch, and that step's batch."""
    pretraining = training(name, *overrides, seed=seed)
    modules, optimizers = pretraining.make()
    modules.train()
    order = modules.before_epoch(0, pretraining.source)
    index = torch.arange(16) if order is None else order[:16]
    return pretraining, modules, optimizers, pretraining.batch(index, epoch=0)


def trainable(modules):
    return {name: p for name, p in modules.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("name", METHODS)
def test_is_a_method_whose_defaults_are_valid(name):
    method = registry.find("learn.methods", name)()
    assert isinstance(method, Method)
    assert method.views >= 1
    assert method.trains == (method.epochs > 0)


@pytest.mark.parametrize("name", METHODS)
def test_the_encoder_it_is_given_is_the_one_it_trains(name, run_of):
    run = run_of(name)
    encoder = run.method.network(run.backbone, run.view).encoder()
    before = fingerprint(encoder)
    modules = run.method.modules(encoder, Context(0, run.view.size, 48, 3))
    assert modules.encoder is encoder
    assert fingerprint(encoder) == before  # every method starts from the same weights


@pytest.mark.parametrize("name", TRAINED)
def test_loss_is_a_finite_scalar_for_each_group_it_names(name, training):
    _, modules, _, batch = prepared(training, name)
    loss = modules.loss(batch)
    losses = loss if isinstance(loss, dict) else {"loss": loss}
    assert all(value.shape == () and value.isfinite() for value in losses.values())
    if isinstance(loss, dict):
        assert set(loss) == set(modules.groups())


@pytest.mark.parametrize("name", [n for n in TRAINED if registry.find("learn.methods", n).multicrop])
def test_further_views_change_the_loss_and_are_no_obstacle(name, training):
    pretraining, modules, optimizers, batch = prepared(training, name, "view.name=multicrop", "view.crops=2x16+3x10")
    assert [view.shape[-1] for view in batch.views] == [16, 16, 10, 10, 10]
    losses = [modules.loss(replace(batch, views=batch.views[:count])) for count in (pretraining.method.views, 5)]
    totals = [sum(loss.values()) if isinstance(loss, dict) else loss for loss in losses]
    assert totals[0] != totals[1]
    assert pretraining._step(batch, modules, optimizers).isfinite()
    assert pretraining._judge(modules)


@pytest.mark.parametrize("name", TRAINED)
def test_it_trains_in_mixed_precision(name, training):
    pretraining, modules, optimizers, batch = prepared(training, name)
    pretraining = replace(pretraining, fabric=Fabric(accelerator="cpu", devices=1, precision="bf16-mixed"))
    losses = [pretraining._step(batch, modules, optimizers) for _ in range(2)]
    assert all(loss.isfinite() for loss in losses)
    assert all(value.dtype != torch.bfloat16 for value in modules.state_dict().values())


@pytest.mark.parametrize("name", TRAINED)
def test_optimisers_share_the_trainable_parameters_out_among_them(name, training):
    _, modules, optimizers, _ = prepared(training, name)
    held = [p for optimizer in optimizers.values() for group in optimizer.param_groups for p in group["params"]]
    assert len(held) == len({id(p) for p in held})
    assert {id(p) for p in held} == {id(p) for p in trainable(modules).values()}


@pytest.mark.parametrize("name", TRAINED)
def test_the_gradient_reaches_every_trainable_parameter_and_no_other(name, training):
    pretraining, modules, optimizers, batch = prepared(training, name, "method.optimizer=adam", "method.weight_decay=0")
    pretraining._set_lr(optimizers, 0.5)
    before = {key: p.clone() for key, p in modules.named_parameters()}
    for _ in range(3):  # a layer that starts at zero lets nothing through in the first step
        pretraining._step(batch, modules, optimizers)
    for key, p in modules.named_parameters():
        if p.requires_grad:
            assert p.grad is not None, key
            assert p.grad.isfinite().all(), key
            assert not torch.equal(p, before[key]), f"{key} has not moved"
        else:
            assert p.grad is None, key


@pytest.mark.parametrize("name", TRAINED)
def test_each_loss_reaches_the_parameters_of_its_own_group_only(name, training):
    pretraining, modules, optimizers, batch = prepared(training, name)
    for _ in range(2):
        pretraining._step(batch, modules, optimizers)
    losses = modules.loss(batch)
    if not isinstance(losses, dict):
        pytest.skip("one loss for all parameters")
    wanted = {
        id(p): gradient
        for group, params in modules.groups().items()
        for p, gradient in zip(params, torch.autograd.grad(losses[group], params, retain_graph=True), strict=True)
    }
    pretraining._step(batch, modules, optimizers)
    for key, p in trainable(modules).items():
        torch.testing.assert_close(p.grad, wanted[id(p)], rtol=1e-4, atol=1e-6, msg=lambda m, key=key: f"{key}: {m}")


@pytest.mark.parametrize("name", TRAINED)
def test_diagnostics_are_finite_stand_beside_chance_and_have_names_of_their_own(name, training):
    pretraining, modules, _, _ = prepared(training, name)
    found = pretraining._judge(modules)
    assert found
    assert not modules.training
    assert len({d.metric for d in found}) == len(found)
    for d in found:
        assert math.isfinite(d.value), d
        assert math.isfinite(d.chance), d
        assert d.better in ("higher", "lower")
        assert d.unit in ("%", "nats", "")
        assert d.unit != "%" or 0 <= d.value <= 100


@pytest.mark.parametrize("name", TRAINED)
def test_state_dict_holds_all_the_state(name, training):
    pretraining, modules, optimizers, batch = prepared(training, name)
    pretraining._step(batch, modules, optimizers)
    state = {key: value.clone() for key, value in modules.state_dict().items()}
    with torch.random.fork_rng():
        torch.manual_seed(99)
        again = pretraining.method.modules(pretraining.backbone.encoder(), pretraining.context())
    again.load_state_dict(state)
    assert fingerprint(again) == fingerprint(modules)
    values = [[d.value for d in pretraining._judge(m)] for m in (again, modules)]
    assert values[0] == pytest.approx(values[1], rel=1e-4)


@pytest.mark.parametrize("name", TRAINED)
def test_a_method_that_classifies_hands_over_its_head_and_no_other_does(name, training):
    pretraining = training(name)
    modules, _ = pretraining.make()
    head = modules.classifier()
    assert (head is not None) == pretraining.method.classifies
    if head is not None:
        assert head.in_features == modules.encoder.width()
        assert {id(p) for p in head.parameters()} <= {id(p) for p in trainable(modules).values()}


@pytest.mark.parametrize("name", TRAINED)
def test_a_step_is_a_function_of_the_seed(name, training):
    prints = []
    for seed in (0, 0, 1):
        pretraining, modules, optimizers, batch = prepared(training, name, seed=seed)
        with torch.random.fork_rng():
            torch.manual_seed(5)  # as Pretraining keys dropout
            pretraining._step(batch, modules, optimizers)
        prints.append(fingerprint(modules))
    assert prints[0] == prints[1] != prints[2]


class Unasked(TorchDispatchMode):
    """Raises where an operation would make a card's user wait: it hands over a number, or a result sized by one.

    Adam counts its steps on the CPU on any device, so its counters may be asked.
    """

    def __init__(self, optimizers):
        super().__init__()
        states = [s for o in optimizers.values() for s in o.state.values()]
        self.counters = {s["step"].data_ptr() for s in states if "step" in s}
        aten = torch.ops.aten
        self.waiting = {aten._local_scalar_dense.default, aten.is_nonzero.default, aten.equal.default}
        self.waiting |= {aten.nonzero.default, aten.masked_select.default, aten._unique2.default}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        masks = func.name().startswith("aten::index") and any(
            i is not None and i.dtype == torch.bool for arg in args[1:] if isinstance(arg, list) for i in arg
        )
        if masks or (func in self.waiting and args[0].data_ptr() not in self.counters):
            raise AssertionError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("optimizer", ["sgd", "lars", "adam", "adamw"])
@pytest.mark.parametrize("name", TRAINED)
def test_a_step_asks_the_device_for_no_number(name, optimizer, training):
    decay = "method.weight_decay=1e-6"  # lars scales no step without
    pretraining, modules, optimizers, batch = prepared(training, name, f"method.optimizer={optimizer}", decay)
    pretraining._step(batch, modules, optimizers)  # optimisers make their state
    with Unasked(optimizers):
        pretraining._step(batch, modules, optimizers)


@pytest.mark.gpu
@pytest.mark.parametrize("name", TRAINED)
def test_steps_on_a_card_never_wait_for_it(name, training):
    pretraining = training(name)
    source = replace(pretraining.source, device=torch.device("cuda"))
    pretraining = replace(pretraining, source=source, fabric=Fabric(accelerator="cuda", devices=1))
    modules, optimizers = pretraining.make()
    order = modules.train().before_epoch(0, source)
    order = torch.arange(48) if order is None else order

    def steps(epoch):
        for batch in pretraining.batches(order, 16, epoch):
            pretraining._set_lr(optimizers, 0.5)
            pretraining._step(batch, modules, optimizers)

    steps(0)  # levels of the pyramid and states of the optimisers are made once
    torch.cuda.set_sync_debug_mode("error")
    try:
        steps(1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
