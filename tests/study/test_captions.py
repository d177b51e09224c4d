"""What the preview tells of a crop is what was done to it."""

import math

import pytest
import torch

from augstudy.augment.base import FilterOp
from augstudy.augment.color import ColorJitter, Grayscale
from augstudy.augment.crops import CenterCrop, RandomResizedCrop
from augstudy.augment.filters import GaussianBlur
from augstudy.augment.geometry import HorizontalFlip, Rotate
from augstudy.augment.graph import Draw, Graph
from augstudy.augment.views.standard import Standard
from augstudy.data.corpus import Corpus, Recipe, Whole
from augstudy.study.captions import area_and_turn, geometry, texts, words


def drawn(*params):
    return [Draw(torch.tensor([True]), torch.tensor([p])) for p in params]


@pytest.mark.parametrize("angle", [30.0, -45.0, 0.0, 170.0])
def test_a_turn_is_counter_clockwise_also_of_a_mirrored_picture(angle):
    turned = Graph((Rotate(degrees=180),))
    assert geometry(turned, drawn(angle), (40, 60)) == [f"100 % {angle:+.0f}°"]
    mirrored = Graph((Rotate(degrees=180), HorizontalFlip()))
    assert geometry(mirrored, drawn(angle, 0.0), (40, 60)) == [f"100 % {angle:+.0f}° flip"]


def test_a_share_is_of_the_whole_image():
    quarter = Graph((CenterCrop(size=20),))
    assert geometry(quarter, drawn(0.0), (40, 40)) == ["25 % +0°"]
    graph = Graph((RandomResizedCrop(size=8, scale=(0.1, 0.1)),))
    (text,) = geometry(graph, graph.sample(0, "test", torch.tensor([0])), (200, 200))
    assert text == "10 % +0°"


def test_a_share_in_perspective_is_that_of_the_quadrilateral_it_reads():
    corners = torch.tensor([(2.0, 3.0), (30.0, 1.0), (26.0, 22.0), (5.0, 18.0)])
    square = [(0, 0), (8, 0), (8, 8), (0, 8)]
    rows, there = [], []
    for (x, y), (u, v) in zip(square, corners.tolist(), strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        there += [u, v]
    solved = torch.linalg.solve(torch.tensor(rows, dtype=torch.float64), torch.tensor(there, dtype=torch.float64))
    matrix = torch.cat((solved, torch.ones(1))).float().view(1, 3, 3)
    area, turn = area_and_turn(matrix, 8, 8)
    grid = torch.stack(torch.meshgrid(torch.arange(0.05, 32, 0.1), torch.arange(0.05, 24, 0.1), indexing="ij"), -1)
    back = torch.cat((grid, torch.ones(*grid.shape[:2], 1)), -1) @ torch.linalg.inv(matrix[0]).T
    inside = ((back[..., :2] / back[..., 2:] > 0) & (back[..., :2] / back[..., 2:] < 8)).all(-1)
    assert area.item() == pytest.approx(inside.sum().item() * 0.01, rel=0.01)
    assert turn.item() == pytest.approx(math.degrees(math.atan2(-2, 28)), abs=0.01)


def test_colour_and_blur_tell_their_factors_and_any_other_op_its_name():
    params = torch.tensor([1.2, 0.8, 1.0, -0.1, 0, 1, 2, 3])
    assert words(ColorJitter(), params) == "b1.2 c0.8 s1.0 h-36°"
    assert words(ColorJitter(contrast=0, hue=0), params) == "b1.2 s1.0"
    assert words(GaussianBlur(), torch.tensor(1.54)) == "blur 1.5 px"
    assert words(Grayscale(), torch.zeros(0)) == "Grayscale"

    class Dream(FilterOp):
        def apply(self, x, params):
            return x

    assert words(Dream(), torch.zeros(0)) == "Dream"


def test_every_sample_of_any_source_has_its_text(split):
    graph, index = Standard(size=16).graph(), torch.arange(9)
    whole = Whole(split, 32)
    images = [split.pixels[0], split.pixels[1, :, :, :20]]
    many = Corpus(images, Recipe(count=9, size=16))
    for source in (whole, many):
        told = texts(source, index, graph, view=1)
        assert all("%" in text for text in told)
        # what is told of a sample does not depend on its company
        assert told == [text for i in index for text in texts(source, i[None], graph, view=1)]
    assert texts(whole, index) == [""] * 9
    assert len(set(texts(many, index))) == 9
