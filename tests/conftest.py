"""What all tests share: no network, a textured picture, and the smallest training of each method."""

import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from PIL import Image
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from augstudy.core import registry
from augstudy.core.store import RunFolder
from augstudy.data.corpus import Corpus, Source, Whole
from augstudy.data.datasets.base import Stored
from augstudy.learn.classifier import untrained
from augstudy.learn.pretrain import Pretraining
from augstudy.study.compose import compose, presets
from augstudy.study.plan import Run, expand

SMALL = ["corpus.count=48", "method.batch_size=16", "backbone.width=0.125"]
CLASSES = 3


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests of a card are skipped where there is none, whatever marks were asked for."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """What a test draws without a generator of its own is the same in every run, whatever came before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def empty_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def offline(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every download fails at once, and neither the user's cache nor their data folder is seen."""
    usual = urllib.request.urlopen

    def refuse(url: Any, *args: Any, **kwargs: Any) -> Any:
        if urlparse(getattr(url, "full_url", url)).hostname in ("localhost", "127.0.0.1"):
            return usual(url, *args, **kwargs)
        raise OSError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setenv("AUGSTUDY_CACHE", str(empty_cache))
    monkeypatch.delenv("AUGSTUDY_DATA", raising=False)


def textured(height: int, width: int, seed: int = 0) -> Tensor:
    """A picture with something to see at every scale: (3, height, width) uint8."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    picture = np.full((3, height, width), 128.0)
    for _ in range(24):
        fy, fx, phase = generator.uniform(-0.6, 0.6), generator.uniform(-0.6, 0.6), generator.uniform(0, 6.3)
        picture += generator.uniform(-14, 14, (3, 1, 1)) * np.sign(np.sin(fy * y + fx * x + phase))
    return torch.from_numpy((picture + generator.normal(0, 6, picture.shape)).clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def picture() -> Tensor:
    return textured(120, 160)


@pytest.fixture(scope="session")
def picture_file(picture: Tensor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "texture.png"
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(path)
    return path


@pytest.fixture(scope="session")
def split() -> Stored:
    """A labelled split: 60 textures of 32 px in three classes, told apart by their brightness."""
    labels = torch.arange(60) % CLASSES
    pixels = torch.stack([textured(32, 32, seed=i) // 2 + 60 * k for i, k in enumerate(labels.tolist())])
    return Stored(pixels.to(torch.uint8), labels)


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """`run_of("moco", "method.queue=8")`: the run of a one-row study at smoke scale, smaller still."""
    folder, known = tmp_path_factory.mktemp("one_row"), dict[tuple[str, ...], Run]()

    def run(method: str, *overrides: str) -> Run:
        key = (method, *overrides)
        if key not in known:
            path = folder / f"{method}.yaml"
            row = f"{{label: one, method: {method}}}"
            if registry.find("learn.methods", method).needs_teacher:
                row = f"{{label: lender, method: supervised}}, {row[:-1]}, teacher: lender}}"
            path.write_text(f"defaults: [/study, /scale: smoke, _self_]\nrows: [{row}]\n")
            small = SMALL[-1:] if method == "random" else SMALL
            known[key] = expand(compose(path, [*small, *overrides]), presets())[-1]
        return known[key]

    return run


@pytest.fixture
def training(run_of: Callable[..., Run], picture: Tensor, split: Stored, tmp_path: Path) -> Callable[..., Pretraining]:
    """`training("moco", folder="a")`: the smallest `Pretraining` of a method."""

    def made(method: str, *overrides: str, folder: str = "run", seed: int = 0) -> Pretraining:
        run = run_of(method, *overrides)
        source: Source = Whole(split, 32, seed, reserve=12) if run.data == "full" else Corpus(picture, run.recipe, seed)
        return Pretraining(
            run.method,
            run.method.network(run.backbone, run.view),
            source,
            run.view.graph(),
            run.view.size,
            seed,
            Fabric(accelerator="cpu", devices=1),
            CLASSES if run.data == "full" else 0,
            graphs=run.view.graphs(run.method.views),
            teacher=partial(untrained, run.backbone, CLASSES) if run.method.needs_teacher else None,
            folder=RunFolder(tmp_path / folder),
        )

    return made


class Live(TorchDispatchMode):
    """Notes, as `peak`, the most bytes that tensors made while it is on held at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.note((args, kwargs), made=False)
        result = func(*args, **(kwargs or {}))
        self.note(result, made=True)
        return result

    def note(self, tensors: Any, made: bool) -> None:
        self.held = {key: entry for key, entry in self.held.items() if not entry[0].expired()}
        for t in tree_leaves(tensors):
            if isinstance(t, Tensor):
                storage = StorageWeakRef(t.untyped_storage())
                self.held.setdefault(storage.cdata, (storage, t.untyped_storage().nbytes() if made else 0))
        self.peak = max(self.peak, sum(size for _, size in self.held.values()))


@pytest.fixture
def live_bytes() -> type[Live]:
    """`with live_bytes() as live:` ... `live.peak`."""
    return Live
