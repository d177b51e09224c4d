"""Laws of tiles: where they lie, that they never touch more than they may, and that cutting is slicing."""

import numpy as np
import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.learn.tiles import Grid, cut, standardised, whole

GRIDS = [Grid(398, 96, 144, 14), Grid(255, 64, 85, 21), Grid(32, 8, 11, 2), Grid(40, 6, 9, 3)]


@pytest.mark.parametrize("grid", GRIDS)
def test_boxes_lie_inside_and_keep_their_gap(grid):
    boxes = grid.boxes(0, "test", torch.arange(500), 3).view(500, 3, 3, 2)
    assert boxes.min() >= 0
    assert boxes.max() + grid.tile <= grid.size
    for axis, (a, b) in enumerate(((boxes[:, :-1], boxes[:, 1:]), (boxes[:, :, :-1], boxes[:, :, 1:]))):
        gaps = (b - a)[..., axis] - grid.tile
        free = grid.pitch - grid.tile
        assert gaps.min() >= free - grid.moves >= 0
        assert gaps.max() <= free + grid.moves
        assert len(gaps.unique()) > grid.moves  # chance does act


@pytest.mark.parametrize("grid", GRIDS)
def test_every_place_that_is_allowed_is_taken(grid):
    boxes = grid.boxes(1, "test", torch.arange(4000), 0)
    first = boxes[:, 0]
    assert first.min() == 0
    assert first.max() == grid.slack + grid.moves
    assert boxes.max() + grid.tile == grid.size


def test_places_are_new_in_each_step_and_do_not_depend_on_the_batch():
    grid, index = GRIDS[0], torch.arange(8)
    boxes = grid.boxes(0, "test", index, 5)
    assert torch.equal(grid.boxes(0, "test", index[3:5], 5), boxes[3:5])
    assert not torch.equal(grid.boxes(0, "test", index, 6), boxes)
    assert not torch.equal(grid.boxes(1, "test", index, 5), boxes)


def test_whole_numbers_stay_within_their_bounds():
    u = torch.tensor([0.0, 0.5, 1 - 2.0**-24])
    assert whole(u, 14).tolist() == [0, 7, 14]
    assert whole(u, 0).tolist() == [0, 0, 0]


def test_cutting_is_slicing():
    view = torch.rand(4, 3, 40, 40)
    boxes = GRIDS[3].boxes(0, "test", torch.arange(4), 0)
    tiles = cut(view, boxes, 6)
    for b in range(4):
        for t, (top, left) in enumerate(boxes[b].tolist()):
            assert torch.equal(tiles[b, t], view[b, :, top : top + 6, left : left + 6])


def test_channels_may_be_cut_apart_and_edges_repeat():
    view = torch.rand(1, 3, 12, 12)
    boxes = torch.tensor([[[[0, 0], [1, 2], [-2, 9]]]])  # one tile, a corner a channel
    tile = cut(view, boxes, 5)[0, 0]
    padded = np.pad(view[0].numpy(), ((0, 0), (4, 4), (4, 4)), mode="edge")
    for channel, (top, left) in enumerate(boxes[0, 0].tolist()):
        assert np.array_equal(tile[channel], padded[channel, top + 4 : top + 9, left + 4 : left + 9])


def test_standardised_tiles_have_mean_0_and_deviation_1_and_flat_ones_stay_flat():
    tiles = torch.rand(2, 9, 3, 7, 7) * 0.3 + 2
    tiles[1] = 0.5
    done = standardised(tiles, (3, 4))
    torch.testing.assert_close(done[0].mean((2, 3)), torch.zeros(9, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(done[0].std((2, 3), correction=0), torch.ones(9, 3), atol=1e-4, rtol=0)
    assert done[1].abs().max() == 0


def test_a_grid_that_does_not_fit_says_which_view_would():
    with pytest.raises(UserError, match="needs views of 398 px, not of 224") as caught:
        Grid(224, 96, 144, 14)
    assert "view.size to 398" in caught.value.fix


def test_tiles_that_could_overlap_are_refused():
    with pytest.raises(UserError, match="tiles of 10 px every 12 px overlap when they move by 4 px"):
        Grid(99, 10, 12, 4)
