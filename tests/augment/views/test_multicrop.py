"""Laws of the views at two sizes."""

from dataclasses import replace

import pytest
import torch

from augstudy.augment.color import ColorJitter
from augstudy.augment.crops import RandomResizedCrop
from augstudy.augment.views.multicrop import MultiCrop
from augstudy.augment.views.standard import Standard
from augstudy.core.errors import UserError
from augstudy.data.corpus import Corpus, Recipe


def test_large_views_come_first_then_the_small_ones_with_their_own_bounds_of_area():
    graphs = MultiCrop(crops="2x160 + 4x96", scale=(0.2, 0.9), small_scale=(0.04, 0.2)).graphs(2)
    crops = [graph.ops[0] for graph in graphs]
    large, small = (RandomResizedCrop(size=s, scale=b) for s, b in ((160, (0.2, 0.9)), (96, (0.04, 0.2))))
    assert crops == [large] * 2 + [small] * 4


def test_all_else_is_the_standard_views():
    view = MultiCrop(size=32, crops="2x100%", scale=(0.2, 1.0), strength=0.5, blur_p=0)
    plain = Standard(size=32, scale=(0.2, 1.0), strength=0.5, blur_p=0)
    assert view.graphs(2) == plain.graphs(2) == plain.pair()
    small = MultiCrop(size=32, crops="2x32+1x18", strength=0.5, blur_p=0).graphs(2)[2]
    assert small.ops[1:] == plain.graph().ops[1:]
    assert small.ops[1] == ColorJitter(0.8, 0.2, 0.2, 0.2, 0.05)


def test_sides_in_per_cent_fit_any_size():
    for size, crops in ((224, "2x160 + 4x96"), (32, "2x23 + 4x14"), (16, "2x11 + 4x7")):
        view = MultiCrop(size=size, crops="2x71.4% + 4x42.9%")
        assert view.crops == crops
        assert view == MultiCrop(size=size, crops=crops)
        assert f"2x{view.size} + " in crops


def test_a_copy_is_not_smaller_than_the_first():
    view = MultiCrop(size=32, crops="2x71.4% + 4x42.9%")
    assert replace(view, flip_p=0.0).crops == view.crops
    assert replace(view, flip_p=0.0).size == view.size == 23


def test_small_views_show_other_parts_than_each_other(picture):
    corpus, index = Corpus(picture, Recipe(count=64, size=32), seed=3), torch.arange(4)
    views = [corpus.view(index, g, view=v) for v, g in enumerate(MultiCrop(crops="2x16 + 3x10").graphs(2))]
    assert [tuple(view.shape) for view in views] == [(4, 3, s, s) for s in (16, 16, 10, 10, 10)]
    assert not torch.equal(views[0], views[1])
    assert not torch.equal(views[3], views[4])


@pytest.mark.parametrize("crops", ["", "2x", "2 of 32", "0x32", "2x32 + 4x18 + 2x8", "2x32px"])
def test_what_is_no_list_of_crops_is_refused(crops):
    with pytest.raises(UserError, match="not one or two of NUMBERxSIDE"):
        MultiCrop(crops=crops)


def test_sides_out_of_range_are_refused():
    with pytest.raises(UserError, match=r"crops: side must lie in \[4, 4096\], got 3"):
        MultiCrop(size=16, crops="2x100% + 2x20%")


def test_fewer_large_views_than_a_method_needs_are_refused():
    with pytest.raises(UserError, match="too few large views for a method of 2"):
        MultiCrop(crops="1x32 + 6x16").graphs(2)
