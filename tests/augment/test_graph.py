"""Laws of the graph: few passes, the same pixels as the chain it replaces, and draws that are keyed."""

import pytest
import torch

from augstudy.augment.color import ColorJitter, Grayscale
from augstudy.augment.colorspace import Channels
from augstudy.augment.crops import CenterCrop, KeepInside, RandomCrop, RandomResizedCrop
from augstudy.augment.filters import GaussianBlur
from augstudy.augment.geometry import HorizontalFlip, Rotate, Shear, VerticalFlip
from augstudy.augment.graph import Draw, Graph, compose
from augstudy.augment.pixels import Erasing
from augstudy.augment.sampler import Pyramid
from augstudy.core import rng
from augstudy.core.errors import UserError

CROP, TURN, FLIP = RandomResizedCrop(size=24, scale=(0.3, 0.8)), Rotate(degrees=20), HorizontalFlip()
JITTER, GRAY, BLUR = ColorJitter(), Grayscale(), GaussianBlur()
INDEX = torch.arange(16)


def waves(n=1, height=128, width=160):
    """Smooth pictures without symmetry: (n, 3, height, width)."""
    y, x = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    return torch.stack(
        [torch.stack([0.5 + 0.4 * torch.sin(4 * x + a * y + a + i) for a in (1.0, 2.0, 3.5)]) for i in range(n)]
    )


def chain(ops, draws, x):
    """One op after the other, each resampling the pixels of the one before."""
    for op, draw in zip(ops, draws, strict=True):
        x = Graph((op,))(Pyramid(x), [draw])
    return x


# Planning


@pytest.mark.parametrize(
    ("ops", "passes"),
    [
        ((), []),
        ((CROP,), [[0]]),
        ((JITTER,), [[0]]),
        ((CROP, TURN, FLIP), [[0, 1, 2]]),
        ((CROP, JITTER, FLIP), [[0, 2], [1]]),
        ((JITTER, CROP, GRAY, FLIP), [[1, 3], [0, 2]]),
        ((CROP, BLUR, TURN), [[0], [1], [2]]),
        ((CROP, JITTER, BLUR, GRAY, TURN, FLIP, JITTER), [[0], [1], [2], [4, 5], [3, 6]]),
        ((BLUR, CROP, BLUR), [[0], [1], [2]]),
        ((CROP, JITTER, GRAY, BLUR, FLIP), [[0, 4], [1, 2], [3]]),  # a flip commutes with a Gaussian
        ((CROP, BLUR, FLIP, TURN, FLIP), [[0, 2], [1], [3, 4]]),
        ((CROP, BLUR, Erasing(), FLIP), [[0], [1], [2], [3]]),  # but not with what has a place
    ],
)
def test_geometry_is_one_warp_and_only_a_filter_starts_another(ops, passes):
    assert Graph(ops).plan() == passes


def test_the_plan_runs_as_printed(monkeypatch):
    warps = []
    warp = Pyramid.warp
    monkeypatch.setattr(Pyramid, "warp", lambda self, *args: warps.append(1) or warp(self, *args))
    for ops, expected in [((CROP, JITTER, TURN, GRAY, FLIP), 1), ((CROP, BLUR, TURN), 2), ((JITTER, BLUR), 0)]:
        warps.clear()
        graph = Graph(ops)
        graph(Pyramid(waves()), graph.sample(0, "test", INDEX))
        assert len(warps) == expected


def test_a_plan_is_told_in_words():
    ops = (RandomCrop(), CROP, Shear(), TURN, CenterCrop(size=16), JITTER, GRAY, BLUR, FLIP)
    first, *passes = Graph(ops).describe().splitlines()
    assert first == "9 nodes -> 1 warp + 1 colour pass + 1 blur"
    assert passes == [
        "  warp: RandomCrop, RandomResizedCrop, Shear, Rotate, CenterCrop, HorizontalFlip",
        "  colour pass: ColorJitter, Grayscale",
        "  blur: GaussianBlur",
    ]
    assert Graph(()).describe() == "0 nodes -> nothing to do"
    assert Graph((CROP, BLUR, TURN, BLUR)).describe().startswith("4 nodes -> 2 warps + 2 blurs\n")


def test_a_flip_that_moves_before_a_blur_gives_the_pixels_of_the_written_order():
    ops = (RandomResizedCrop(size=40), GaussianBlur(p=1.0), HorizontalFlip(p=1.0), VerticalFlip(p=0.5))
    x, graph = waves(16), Graph(ops)
    draws = graph.sample(0, "test", INDEX)
    assert len(graph.plan()) == 2
    torch.testing.assert_close(graph(Pyramid(x), draws), chain(ops, draws, x), rtol=0, atol=2e-5)


def test_the_empty_graph_returns_the_images():
    x = waves(3, 33, 47)
    assert Graph(()).sample(0, "test", torch.arange(3)) == []
    assert torch.equal(Graph(())(Pyramid(x), []), x)


def test_colour_alone_reads_every_pixel_of_the_source():
    x = waves(1, 33, 47)
    graph = Graph((Grayscale(p=1),))
    y = graph(Pyramid(x), graph.sample(0, "test", torch.arange(3)))
    torch.testing.assert_close(y, GRAY.apply(x, torch.zeros(1, 0)).expand(3, 3, 33, 47))


def test_sizes_follow_the_ops():
    ops = (RandomCrop(fraction=0.5), CROP, TURN, CenterCrop(size=10), JITTER)
    for n, size in enumerate([(33, 47), (16, 16), (24, 24), (24, 24), (10, 10), (10, 10)]):
        assert Graph(ops[:n]).out_size((33, 47)) == size


def test_what_needs_three_channels_may_not_follow_what_drops_some():
    """Compiled code checks no bounds: a picture of one channel must not reach it."""
    dropped = Channels(keep=(0,), drop=True)
    for later in (JITTER, GRAY, BLUR):
        with pytest.raises(UserError, match=f"Channels drops channels before {type(later).__name__}"):
            Graph((CROP, dropped, later))
    graph = Graph((CROP, BLUR, dropped, TURN))
    draws = graph.sample(0, "test", torch.arange(4))
    assert graph(Pyramid(waves(4)), draws).shape == (4, 1, 24, 24)


# Fusing


def test_composed_matrices_are_the_chain_on_a_grid_of_points():
    """From output to source, the last op is undone first; points are pixel centres at +0.5."""
    ops = (RandomCrop(fraction=0.7), CROP, Rotate(degrees=180), Shear(), CenterCrop(size=17), FLIP, VerticalFlip())
    draws = Graph(ops).sample(0, "test", INDEX)
    source = (97, 131)
    matrix, out = compose(list(zip(ops, draws, strict=True)), source)
    ys, xs = torch.meshgrid(torch.arange(out[0]) + 0.5, torch.arange(out[1]) + 0.5, indexing="ij")
    points = torch.stack((xs, ys, torch.ones(out)), -1).flatten(0, 1).mT.double()  # (3, hw)
    sizes = [Graph(ops[:n]).out_size(source) for n in range(len(ops))]
    for i in range(len(INDEX)):
        p = points
        for op, draw, size in reversed(list(zip(ops, draws, sizes, strict=True))):
            if draw.touched[i]:
                p = op.matrix(draw.params[i : i + 1], size)[0].double() @ p
        torch.testing.assert_close(matrix[i].double() @ points, p, rtol=0, atol=1e-3)


def test_a_fused_crop_turn_and_flip_is_the_chain_on_a_smooth_image():
    """Cut to the centre, where the chain has not yet lost the pixels beyond its first crop."""
    ops = (
        RandomResizedCrop(size=96, scale=(0.4, 1.0)),
        Rotate(degrees=20),
        Shear(degrees=10),
        CenterCrop(size=56),
        FLIP,
    )
    x, graph = waves(), Graph(ops)
    draws = graph.sample(0, "test", INDEX)
    fused = graph(Pyramid(x), draws)
    assert (fused - chain(ops, draws, x)).abs().max() < 1 / 255


def test_overtaken_colour_gives_the_pixels_of_the_written_order():
    ops = (Grayscale(p=0.5), ColorJitter(1.0, 0.4, 0.0, 0.4, 0.1), CenterCrop(size=64), FLIP)
    x, graph = waves(), Graph(ops)
    draws = graph.sample(0, "test", INDEX)
    assert (graph(Pyramid(x), draws) - chain(ops, draws, x)).abs().max() < 1 / 255


def test_a_filter_between_two_warps_keeps_its_place():
    ops = (RandomResizedCrop(size=48), GaussianBlur(p=0.5), Rotate(degrees=20), GRAY)
    x, graph = waves(), Graph(ops)
    draws = graph.sample(0, "test", INDEX)
    torch.testing.assert_close(graph(Pyramid(x), draws), chain(ops, draws, x))


def test_a_graph_of_many_images_is_each_graph_of_one():
    x, graph = waves(16, 33, 47), Graph((CROP, TURN, JITTER, BLUR, FLIP))
    draws = graph.sample(0, "test", INDEX)
    together = graph(Pyramid(x), draws)
    for i in (0, 7, 15):
        mine = [Draw(d.touched[i : i + 1], d.params[i : i + 1]) for d in draws]
        assert torch.equal(together[i : i + 1], graph(Pyramid(x[i : i + 1]), mine))


def test_an_untouched_sample_of_a_resizing_op_is_the_whole_frame():
    graph = Graph((RandomResizedCrop(p=0.5, size=24),))
    draws = graph.sample(0, "test", INDEX)
    assert draws[0].touched.any()
    assert not draws[0].touched.all()
    y = graph(Pyramid(waves()), draws)
    whole = Pyramid(waves()).warp(torch.diag(torch.tensor([160 / 24, 128 / 24, 1]))[None], (24, 24))
    assert torch.equal(y[~draws[0].touched], whole.expand((~draws[0].touched).sum(), -1, -1, -1))


def test_keep_inside_looks_at_all_geometry_before_it_in_the_frame_of_the_source():
    ops = (RandomResizedCrop(size=24), Rotate(degrees=180), Shear(), KeepInside())
    index = torch.arange(300)
    draws = Graph(ops).sample(0, "test", index)
    matrix, (h, w) = compose(list(zip(ops, draws, strict=True)), (97, 131))
    corners = matrix[:, :2] @ torch.tensor([[0.0, w, 0, w], [0, 0, h, h], [1, 1, 1, 1]])  # (B, 2, 4)
    assert (corners > -1e-3).all()
    assert (corners < torch.tensor([131, 97])[:, None] + 1e-3).all()
    free, _ = compose(list(zip(ops[:3], draws[:3], strict=True)), (97, 131))
    assert not torch.allclose(free, matrix)


# Chance


def test_gates_follow_p_and_are_independent_of_each_other():
    graph = Graph((HorizontalFlip(p=0.3), VerticalFlip(p=0.6), Grayscale(p=0.0), Grayscale(p=1.0)))
    touched = torch.stack([d.touched for d in graph.sample(0, "test", torch.arange(4000))]).double()
    rates = touched.mean(1).tolist()
    assert rates[0] == pytest.approx(0.3, abs=0.03)
    assert rates[1] == pytest.approx(0.6, abs=0.03)
    assert rates[2:] == [0, 1]
    assert torch.corrcoef(touched[:2])[0, 1].abs() < 0.08


def test_draws_are_the_keyed_uniforms_split_between_the_ops():
    graph = Graph((TURN, FLIP, JITTER))
    u = rng.uniform(3, "view", INDEX, 2 + 1 + 9, epoch=2, view=1)
    turn, flip, jitter = graph.sample(3, "view", INDEX, epoch=2, view=1)
    assert torch.equal(turn.params, TURN.sample(u[:, 1:2]))
    assert torch.equal(flip.touched, u[:, 2] < 0.5)
    assert torch.equal(jitter.params, JITTER.sample(u[:, 4:12]))


def test_graphs_add_up():
    assert (Graph((CROP,)) + Graph((FLIP, JITTER))).ops == (CROP, FLIP, JITTER)


# Replay, and other devices


def test_draws_can_be_saved_and_replayed(tmp_path):
    graph, x = Graph((CROP, JITTER, GRAY, BLUR, FLIP)), waves(16)
    draws = graph.sample(0, "test", INDEX)
    torch.save([vars(draw) for draw in draws], tmp_path / "draws.pt")
    again = [Draw(**saved) for saved in torch.load(tmp_path / "draws.pt", weights_only=True)]
    assert torch.equal(graph(Pyramid(x), draws), graph(Pyramid(x), again))


def test_chance_lives_on_the_cpu():
    for draw in Graph((CROP, JITTER, BLUR)).sample(0, "test", INDEX):
        assert draw.touched.device.type == draw.params.device.type == "cpu"


@pytest.mark.gpu
@pytest.mark.parametrize("quality", ["default", "fine"])
@pytest.mark.parametrize("border", ["reflect", "black"])
def test_cuda_has_the_parameters_of_the_cpu_bit_for_bit_and_its_pixels_within_a_grey_level(border, quality):
    graph = Graph((RandomResizedCrop(size=64), TURN, Shear(), ColorJitter(p=0.8), GRAY, GaussianBlur(p=0.5), FLIP))
    index = torch.arange(64)
    x = (torch.rand(64, 3, 160, 200, generator=torch.Generator().manual_seed(0)) * 255).to(torch.uint8)
    draws, theirs = (graph.sample(0, "test", i) for i in (index, index.cuda()))
    for mine, other in zip(draws, theirs, strict=True):
        assert torch.equal(mine.touched, other.touched)
        assert torch.equal(mine.params, other.params)
    here = graph(Pyramid(x), draws, border, quality=quality)
    there = graph(Pyramid(x.cuda()), theirs, border, quality=quality).cpu()
    assert ((here - there).abs() <= 1 / 255).float().mean() > 0.999
