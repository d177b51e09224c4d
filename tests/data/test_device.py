"""The device that makes pixels is named rightly or refused, and all that a pixel's last bit depends on is recorded."""

import pytest
import torch

from augstudy.core.errors import UserError
from augstudy.data.device import device_for, made_with


def test_an_unknown_device_is_told():
    with pytest.raises(UserError, match="device"):
        device_for("gpu0")


def test_what_pixels_are_made_with_names_the_compiler_and_the_processor():
    found = made_with(torch.device("cpu"))
    assert found.keys() >= {"torch", "kornia", "numba", "numpy", "pillow", "zlib", "cpu"}
    assert all(found.values())
