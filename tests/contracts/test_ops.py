"""What every op obeys. Ops are found by place, so that a new one is tested on arrival."""

import importlib
import inspect
import pkgutil
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import augstudy.augment
from augstudy.augment.base import ColorOp, FilterOp, GeometryOp, Op
from augstudy.augment.graph import Draw, Graph
from augstudy.augment.sampler import Pyramid
from augstudy.core import rng
from augstudy.core.errors import UserError

SIDE = 24
SETTINGS = {
    "CenterCrop": {"size": SIDE},
    "Kornia": {"name": "RandomGaussianNoise"},
    "OverlapCrop": {"size": SIDE},
    "PatchPair": {"size": SIDE, "patch": 5, "distance": 3},
    "RandomResizedCrop": {"size": SIDE},
}
SQUARE = {"QuarterTurn"}  # ops that take square pictures only


def found():
    """Every op class that a module of `augment/` exports."""
    for module in pkgutil.iter_modules(augstudy.augment.__path__):
        if module.ispkg or module.name == "base":
            continue
        home = importlib.import_module(f"augstudy.augment.{module.name}")
        for name in home.__all__:
            if inspect.isclass(getattr(home, name)) and issubclass(getattr(home, name), Op):
                yield getattr(home, name)


OPS = sorted(found(), key=lambda cls: cls.__name__)
every_op = pytest.mark.parametrize("cls", OPS, ids=lambda cls: cls.__name__)
few = settings(deadline=None, max_examples=12, derandomize=True)
seeds, counts, sides = st.integers(0, 2**31), st.integers(1, 5), st.integers(8, 40)


def tolerance(cls):
    """A warp costs what float32 coordinates cost; colour hardly anything."""
    return {"rtol": 0, "atol": 1e-5 if issubclass(cls, GeometryOp) else 1e-7}


def make(cls, **changes):
    return cls(**{**SETTINGS.get(cls.__name__, {}), **changes})


def pictures(n, height, width, seed):
    """Noise with pure black and pure white in it: (n, 3, height, width) in [0, 1]."""
    u = rng.uniform(seed, "pictures", torch.arange(n), 3 * height * width)
    return (u * 1.5 - 0.25).clamp(0, 1).view(n, 3, height, width)


def run(op, x, seed, index=None):
    graph = Graph((op,))
    index = torch.arange(len(x)) if index is None else index
    return graph(Pyramid(x), graph.sample(seed, "test", index))


def stretched(x, op):
    """The whole of each picture at the size that the op gives."""
    (height, width), out = x.shape[-2:], op.out_size(x.shape[-2:]) if isinstance(op, GeometryOp) else x.shape[-2:]
    frame = torch.diag(torch.tensor([width / out[1], height / out[0], 1]))
    return x if out == (height, width) else Pyramid(x).warp(frame.expand(len(x), 3, 3), out)


def shape(cls, height, width):
    return (height, height) if cls.__name__ in SQUARE else (height, width)


def test_ops_are_found():
    assert {"ColorJitter", "GaussianBlur", "KeepInside", "RandomResizedCrop", "Rotate"} <= {c.__name__ for c in OPS}
    assert all(issubclass(cls, ColorOp) ^ issubclass(cls, GeometryOp) for cls in OPS)


@every_op
@few
@given(seed=seeds, n=counts, height=sides, width=sides)
def test_shape_dtype_and_range(cls, seed, n, height, width):
    op = make(cls, p=1.0)
    y = run(op, pictures(n, *shape(cls, height, width), seed), seed)
    assert y.shape == (n, 3, *Graph((op,)).out_size(shape(cls, height, width)))
    assert y.dtype == torch.float32
    slack = 1e-6 if issubclass(cls, GeometryOp | FilterOp) else 0  # weights that sum to 1 up to rounding
    assert y.min() >= -slack
    assert y.max() <= 1 + slack


@every_op
@few
@given(seed=seeds, n=counts, height=sides, width=sides)
def test_replay_gives_the_same_pixels_and_leaves_the_source_alone(cls, seed, n, height, width):
    graph, x = Graph((make(cls),)), pictures(n, *shape(cls, height, width), seed)
    source, before = Pyramid(x), x.clone()
    draws = graph.sample(seed, "test", torch.arange(n))
    first = graph(source, draws).clone()
    torch.rand(3)  # the global generator plays no part
    assert torch.equal(first, graph(source, draws))
    assert torch.equal(first, graph(source, graph.sample(seed, "test", torch.arange(n))))
    assert torch.equal(x, before)
    assert torch.equal(source.images, before)


@every_op
@few
@given(seed=seeds, height=sides, width=sides)
def test_a_sample_does_not_depend_on_its_batch(cls, seed, height, width):
    op, x = make(cls, p=0.7), pictures(6, *shape(cls, height, width), seed)
    index = torch.arange(6) + 100
    together = run(op, x, seed, index)
    order = rng.permutation(seed, "order", 6)
    assert torch.equal(together[order], run(op, x[order], seed, index[order]))
    for part in (slice(0, 1), slice(1, 3), slice(3, 6)):
        assert torch.equal(together[part], run(op, x[part], seed, index[part]))


@every_op
def test_a_sample_depends_neither_on_threads_nor_on_company(cls):
    """At a size where torch shares the work out: pieces then end in other places, and routines for leftovers differ."""
    op, x, index = make(cls, p=1.0), pictures(5, *shape(cls, 150, 203), 0), torch.arange(5)
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(run(op, x, 0, index))
            results.append(torch.cat([run(op, x[i : i + 1], 0, index[i : i + 1]) for i in range(5)]))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(results[0], other) for other in results[1:])


@pytest.mark.gpu
@every_op
def test_a_gpu_gives_the_same_parameters_and_pixels(cls):
    if cls.__name__ == "Kornia":
        pytest.skip("kornia's classes draw from the device's own generator")
    op, x, index = make(cls, p=1.0), pictures(8, *shape(cls, 40, 56), 0), torch.arange(8)
    graph = Graph((op,))
    here, there = graph.sample(0, "test", index), graph.sample(0, "test", index.cuda())
    assert torch.equal(here[0].params, there[0].params.cpu())
    difference = (graph(Pyramid(x), here) - graph(Pyramid(x.cuda()), there).cpu()).abs()
    assert (difference <= 1 / 255).double().mean() >= 0.999


@every_op
@few
@given(seed=seeds, n=counts, height=sides, width=sides)
def test_p_of_zero_is_the_identity_up_to_the_size(cls, seed, n, height, width):
    op, x = make(cls, p=0.0), pictures(n, *shape(cls, height, width), seed)
    torch.testing.assert_close(run(op, x, seed), stretched(x, op), **tolerance(cls))


@every_op
@few
@given(seed=seeds, n=counts, height=sides, width=sides)
def test_only_touched_samples_change(cls, seed, n, height, width):
    """Each sample is either the one of p = 1 or the one of p = 0, as its gate says."""
    op, x = make(cls, p=0.5), pictures(n, *shape(cls, height, width), seed)
    (draw,) = Graph((op,)).sample(seed, "test", torch.arange(n))
    never, always = (
        Graph((replace(op, p=p),))(Pyramid(x), [Draw(torch.full((n,), p > 0), draw.params)]) for p in (0.0, 1.0)
    )
    assert torch.equal(run(op, x, seed), torch.where(draw.touched.view(n, 1, 1, 1), always, never))


@every_op
@few
@given(seed=seeds, n=counts, height=sides, width=sides)
def test_zero_strength_is_the_identity(cls, seed, n, height, width):
    """Up to the size: a crop gives the whole frame; one that knows but squares has nothing to take off a square."""
    op = make(cls, p=1.0, strength=0.0)
    x = pictures(n, height, height if cls.__name__ in SQUARE | {"RandomCrop"} else width, seed)
    torch.testing.assert_close(run(op, x, seed), stretched(x, op), **tolerance(cls))


@every_op
def test_strength_goes_beyond_the_published_one_but_not_below_zero(cls):
    assert make(cls).scaled(0.0).chance in (0, make(cls).p)
    with pytest.raises(UserError, match="strength"):
        make(cls, strength=-0.5)
    with pytest.raises(UserError, match="p must lie in"):
        make(cls, p=1.5)


@every_op
def test_an_op_says_how_much_chance_it_needs(cls):
    op = make(cls)
    exact = op.sample(torch.rand(4, op.draws))
    assert len(exact) == 4
    (draw,) = Graph((op,)).sample(0, "test", torch.arange(4))
    assert draw.params.shape == exact.shape
