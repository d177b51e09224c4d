"""The crops of a corpus as files: made and encoded on all cores, in order, and each part whole or not there at all."""

import shutil
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path

import torch

from augstudy.augment.cpu.threads import cores
from augstudy.core.build import check_choice, check_range
from augstudy.core.errors import UserError, of_disk
from augstudy.data.corpus import Corpus
from augstudy.data.device import made_with
from augstudy.data.encoding import Encoding, to_bytes
from augstudy.data.images import ImageUsed
from augstudy.data.ledger import Entry, Ledger
from augstudy.data.shards import FORMATS
from augstudy.data.shelf import Part, Shelf, Tally

__all__ = ["Done", "Export", "Progress"]

Progress = Callable[[int, int], None]  # crops done, crops in all
Batch = tuple[Part, int, list[bytes]]  # number of its first crop, and the files of its crops

PIXELS = 1 << 20  # made at a time by each thread: enough to keep it busy, few enough to stay near its cache
MARGIN = 1.05  # disk asked for, over what the files of some crops let expect
SAMPLE = 64  # crops looked at to judge the need for disk, and made again to verify
DAMAGED = "Copy it again if it is a copy; else delete it and run the same again: what is missing is made."


def silent(done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Done:
    """What a run did.

    Args:
        made: crops written.
        lost: parts that were made before, and again because they were missing or of another length.
    """

    made: int
    lost: list[str]

    def told(self) -> str:
        """What was lost, the first few by name."""
        some, more = ", ".join(self.lost[:3]), f" and {len(self.lost) - 3} more" if len(self.lost) > 3 else ""
        return f"made again, for it was missing or not of its length: {some}{more}"


@dataclass(frozen=True)
class Export:
    """The first `len(corpus)` crops of a corpus, written to a folder.

    Crop i is the same whatever the count, the format and the batch. A second run with the same settings goes on where
    the first one ended, makes again what was lost since, and gives the same bytes.

    Args:
        corpus: of the images below, in their order.
        images: names and checksums for the manifest.
        folder: a new one, or that of the same export.
        form: "webdataset", "folder" or "npy".
        encoding: of each crop; an array holds raw pixels only.
        shard_size: crops in a shard, a folder, or a block of the array.
        threads: how many batches are made at once.

    Raises:
        UserError: a setting out of range, or an encoding that the format cannot hold.
    """

    corpus: Corpus
    images: Sequence[ImageUsed]
    folder: Path
    form: str = "webdataset"
    encoding: Encoding = field(default_factory=Encoding)
    shard_size: int = 10_000
    threads: int = field(default_factory=cores)

    def __post_init__(self) -> None:
        check_choice("format", self.form, tuple(FORMATS))
        check_range("shard_size", self.shard_size, 1)
        check_range("count", len(self.corpus), 1, 10**9)  # names have nine digits
        if self.form == "npy" and self.encoding.name != "raw":
            raise UserError(
                f"format npy holds raw pixels, not {self.encoding.name}", "Set encoding to raw, or leave it out."
            )
        object.__setattr__(self, "encoding", replace(self.encoding, bare=self.form == "npy"))

    @property
    def shelf(self) -> Shelf:
        """Where the crops go."""
        return FORMATS[self.form](self.folder, self.encoding, len(self.corpus), self.corpus.size)

    @property
    def ledger(self) -> Ledger:
        """What is recorded of this export."""
        settings = {
            "count": len(self.corpus),
            "size": self.corpus.size,
            "seed": self.corpus.seed,
            "format": self.form,
            "encoding": self.encoding.name,
            "quality": self.encoding.quality if self.encoding.name == "jpeg" else None,
            "shard_size": self.shard_size,
            "recipe": asdict(self.corpus.recipe),
            "images": [{"name": used.name, "sha256": used.content} for used in self.images],
        }
        return Ledger(self.folder, settings, made_with(self.corpus.device))

    @property
    def parts(self) -> list[Part]:
        """All parts in order."""
        count, step = len(self.corpus), self.shard_size
        return [Part(n, first, min(first + step, count)) for n, first in enumerate(range(0, count, step))]

    def __call__(self, progress: Progress = silent) -> Done:
        """Write what is not there yet.

        Raises:
            UserError: another export lies there, the disk is too small or fills up, or it cannot be written.
        """
        done = 0

        def count(crops: int) -> None:
            nonlocal done
            done += crops
            progress(done, len(self.corpus))

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.ledger.locked():
                return self._write(count)
        except OSError as error:
            if not of_disk(error):
                raise
            what = f"writing to {self.folder} failed after {done:,} of {len(self.corpus):,} crops"
            fix = "Free some space or mend its permissions, and run the same again: finished parts are kept."
            raise UserError(f"{what} ({error.strerror or error})", fix) from None

    def _write(self, count: Callable[[int], None]) -> Done:
        ledger, shelf = self.ledger, self.shelf
        ledger.sweep()
        noted = ledger.noted()
        kept = self._kept(noted, shelf)
        todo = [part for part in self.parts if part.number not in kept]
        remaining = sum(part.stop - part.first for part in todo)
        lost = [shelf.name(part) for part in todo if part.number in noted or ledger.finished]
        if ledger.finished and not todo:
            ledger.progress.unlink(missing_ok=True)  # killed before this was done
            return Done(0, [])
        self._require_same_versions()
        self._require_space(shelf, remaining)
        ledger.open(kept.values())
        count(len(self.corpus) - remaining)
        ledger.close([*kept.values(), *self._written(shelf, todo, count)])
        return Done(remaining, lost)

    def _kept(self, noted: dict[int, Entry], shelf: Shelf) -> dict[int, Entry]:
        """Those of the noted parts that are there, as far as their lengths tell."""
        found = {part.number: noted[part.number] for part in self.parts if part.number in noted}
        return {n: entry for n, entry in found.items() if shelf.holds(self.parts[n], entry["bytes"])}

    def _written(self, shelf: Shelf, todo: Sequence[Part], count: Callable[[int], None]) -> list[Entry]:
        shelf.prepare()
        with closing(self._made(todo)) as made:
            grouped = groupby(made, key=lambda batch: batch[0])
            entries = [self._write_part(shelf, part, batches, count) for part, batches in grouped]
        shelf.finish()
        return entries

    def _write_part(self, shelf: Shelf, part: Part, batches: Iterable[Batch], count: Callable[[int], None]) -> Entry:
        tally = Tally()
        with shelf.writing(part, tally) as add:
            for _, first, files in batches:
                add(first, files)
                count(len(files))
        return self.ledger.note(shelf.name(part), part, tally)

    def _require_same_versions(self) -> None:
        if differing := self.ledger.differences():
            what = f"{self.folder} was begun with other versions: {'; '.join(differing)}"
            raise UserError(what, "Go on with those, for pixels may differ; or delete the folder and export again.")

    def _require_space(self, shelf: Shelf, remaining: int) -> None:
        sample = [
            file for part in torch.tensor(self._sample()).split(self._step) for file in self._files(part.tolist())
        ]
        need = round(MARGIN * shelf.need(sample, remaining))
        free = shutil.disk_usage(self.folder).free
        if need > free:
            what = f"{self.folder} has {free / 1e9:,.1f} GB free, and this export needs about {need / 1e9:,.1f} GB more"
            raise UserError(what, "Free some space, name a folder on another disk with --out, or ask for fewer crops.")

    @property
    def _step(self) -> int:
        """Crops of a batch."""
        return max(1, min(4096, PIXELS // self.corpus.size**2))

    def _made(self, parts: Sequence[Part]) -> Generator[Batch]:
        """The files of these parts, batch by batch in order, a few batches made ahead on every core."""
        step = self._step
        spans = (
            (part, range(n, min(n + step, part.stop))) for part in parts for n in range(part.first, part.stop, step)
        )
        with one_torch_thread(), ThreadPoolExecutor(self.threads) as pool:
            waiting: deque[tuple[Part, int, Future[list[bytes]]]] = deque()
            for part, numbers in spans:
                waiting.append((part, numbers.start, pool.submit(self._files, numbers)))
                if len(waiting) > self.threads + 2:
                    yield result(*waiting.popleft())
            while waiting:
                yield result(*waiting.popleft())

    def _files(self, numbers: Sequence[int]) -> list[bytes]:
        return self.encoding.encode(to_bytes(self.corpus.batch(torch.tensor(numbers))))

    def _sample(self) -> list[int]:
        """Numbers of crops, spread evenly: fewer of large ones, which take long and differ less in length."""
        count, chosen = len(self.corpus), max(8, min(SAMPLE, 4 * PIXELS // self.corpus.size**2))
        return sorted({round(i * (count - 1) / (chosen - 1)) for i in range(chosen)})

    def verify(self, progress: Progress = silent) -> list[str]:
        """Compare a finished export with its manifest, and some of its crops with crops made anew.

        Returns:
            why no crops were made anew: other versions or another processor, whose pixels may differ in the last bit.

        Raises:
            UserError: it is not finished, was made with other settings, or something differs.
        """
        if not self.ledger.finished:
            raise UserError(f"{self.folder} holds no finished export", "Run the export to its end first.")
        noted, shelf, done = self.ledger.noted(), self.shelf, 0
        for part in self.parts:
            check_part(shelf, part, noted.get(part.number))
            done += part.stop - part.first
            progress(done, len(self.corpus))
        differing = self.ledger.differences()
        if not differing:
            self._remake(shelf)
        return differing

    def _remake(self, shelf: Shelf) -> None:
        """Make some crops anew, one by one, for their batch must not matter."""
        for number, numbers in groupby(self._sample(), key=lambda n: n // self.shard_size):
            chosen = list(numbers)
            for n, found in zip(chosen, shelf.crops(self.parts[number], chosen), strict=True):
                if [found] != self._files([n]):
                    raise UserError(f"crop {n} in {self.folder} is not the one that is made now", DAMAGED)


def check_part(shelf: Shelf, part: Part, entry: Entry | None) -> None:
    """Raises UserError unless a part on the disk is as noted in the manifest."""
    tally, where = Tally(), shelf.folder / shelf.name(part)
    if entry is None:
        raise UserError(f"{where} is not in manifest.json", "Run the same again: what is missing is made.")
    try:
        whole = shelf.holds(part, entry["bytes"])
        for content in shelf.content(part) if whole else ():
            tally(content)
    except OSError as error:
        raise UserError(f"{where} cannot be read ({error.strerror or error})", DAMAGED) from None
    if not whole:
        raise UserError(f"{where} is damaged: missing, of another length, or without its header", DAMAGED)
    if tally.sha.hexdigest() != entry["sha256"]:
        raise UserError(f"{where} is damaged: its checksum is not the one in manifest.json", DAMAGED)


def result(part: Part, first: int, future: Future[list[bytes]]) -> Batch:
    """What a thread made, as soon as it is made."""
    return part, first, future.result()


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Every thread of the pool works for itself; threads below threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
