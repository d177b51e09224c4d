"""Small exports of a picture, and all their bytes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from augstudy.data import export as exporting
from augstudy.data.corpus import Corpus, Recipe
from augstudy.data.encoding import Encoding
from augstudy.data.export import Export
from augstudy.data.images import find_image, load_image

COUNT, SIZE = 57, 16
WAYS = [("webdataset", "jpeg"), ("webdataset", "raw"), ("folder", "png"), ("npy", "raw")]
ways = pytest.mark.parametrize(("form", "encoding"), WAYS)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten crops at a time."""
    monkeypatch.setattr(exporting, "PIXELS", 10 * SIZE * SIZE)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Export]:
    """`make("npy", "raw")` -> an export of 57 crops of a picture in parts of 20."""
    used = find_image("coffee")
    image = load_image(used.path)

    def made(
        form: str = "webdataset",
        encoding: str = "jpeg",
        folder: str = "out",
        count: int = COUNT,
        seed: int = 0,
        shard_size: int = 20,
        **recipe: object,
    ) -> Export:
        corpus = Corpus(image, Recipe(count=count, size=SIZE, **recipe), seed)  # type: ignore[arg-type]
        return Export(corpus, [used], tmp_path / folder, form, Encoding(encoding), shard_size)

    return made


@pytest.fixture
def unfinished(make: Callable[..., Export], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Export]:
    """`unfinished("npy", "raw")` -> the same, stopped when all parts were noted and no manifest written."""

    def made(*words: str) -> Export:
        export = make(*words)
        with monkeypatch.context() as patched:
            patched.setattr(type(export.ledger), "close", interrupt)
            with pytest.raises(KeyboardInterrupt):
                export()
        return export

    return made


@pytest.fixture
def whole(make: Callable[..., Export]) -> Callable[[str, str], dict[str, bytes]]:
    """`whole("npy", "raw")` -> the files of an export that was never disturbed."""

    def made(form: str, encoding: str) -> dict[str, bytes]:
        export = make(form, encoding, f"whole {form}")
        export()
        return files_of(export.folder)

    return made


def interrupt(*args: object) -> None:
    raise KeyboardInterrupt


def files_of(folder: Path) -> dict[str, bytes]:
    """The bytes of every file under a folder by its name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
