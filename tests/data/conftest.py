"""No test of this room touches the network or the user's own folders."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from augstudy.data import catalogue

REAL_DATA = os.environ.get("AUGSTUDY_DATA", "")


@pytest.fixture(autouse=True)
def away_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str) -> bytes:
        raise OSError("no network in tests")

    monkeypatch.delenv("AUGSTUDY_DATA", raising=False)
    monkeypatch.setenv("AUGSTUDY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(catalogue, "download", refuse)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """These tensors are small: on a busy machine, threads that wait for each other cost ten times the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def real_data(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The developer's data folder; the test is skipped where there is none."""
    if not REAL_DATA:
        pytest.skip("AUGSTUDY_DATA is not set")
    monkeypatch.setenv("AUGSTUDY_DATA", REAL_DATA)
    return Path(REAL_DATA)
