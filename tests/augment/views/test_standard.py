"""Laws of the standard view: MoCo v2's stack, and a strength that only moves the jitter."""

import pytest

from augstudy.augment.color import ColorJitter, Grayscale
from augstudy.augment.crops import RandomResizedCrop
from augstudy.augment.filters import GaussianBlur
from augstudy.augment.geometry import HorizontalFlip
from augstudy.augment.views.standard import Standard
from augstudy.core.errors import UserError


def test_the_defaults_are_moco_v2_in_its_order():
    assert Standard().graph().ops == (
        RandomResizedCrop(size=224, scale=(0.2, 1.0)),
        ColorJitter(0.8, 0.4, 0.4, 0.4, 0.1),
        Grayscale(0.2),
        GaussianBlur(0.5, (0.1, 2.0)),
        HorizontalFlip(0.5),
    )


def test_strength_multiplies_the_jitter_and_nothing_else():
    ops, stronger = Standard().graph().ops, Standard(strength=2).graph().ops
    assert stronger[1] == ColorJitter(0.8, 0.8, 0.8, 0.8, 0.2)
    assert stronger[:1] + stronger[2:] == ops[:1] + ops[2:]


def test_what_can_never_act_is_left_out():
    assert len(Standard(strength=0).graph().ops) == 4
    bare = Standard(size=32, jitter_p=0, gray_p=0, blur_p=0, flip_p=0).graph()
    assert bare.ops == (RandomResizedCrop(size=32, scale=(0.2, 1.0)),)


def test_too_strong_a_hue_says_so():
    with pytest.raises(UserError, match=r"strength x hue must lie in \[0, 0.5\], got 0.6"):
        Standard(strength=6)
