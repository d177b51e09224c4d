"""Laws of transfers: the same numbers arrive, and nobody waits."""

import pytest
import torch

from augstudy.core.transfer import sent


def test_what_is_there_already_is_not_copied():
    x = torch.arange(5)
    assert sent(x, torch.device("cpu")) is x


@pytest.mark.gpu
@pytest.mark.parametrize("size", [1, 100, 10_000_000])
def test_what_is_sent_arrives_and_nobody_waits(size):
    x = torch.arange(size)
    torch.cuda.set_sync_debug_mode("error")
    try:
        there = sent(x, torch.device("cuda"))
        x = None  # the memory that is read from must outlive the copy
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(there.cpu(), torch.arange(size))
