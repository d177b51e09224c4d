"""What the runs of a study read: images found, sets loaded and images drawn, each of them once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch

from augstudy.core import registry
from augstudy.core.build import settings
from augstudy.core.errors import Diverged, UserError
from augstudy.core.records import read_record
from augstudy.core.store import RunFolder, StudyFolder, digest
from augstudy.data.corpus import Corpus, Source, Whole
from augstudy.data.datasets.base import Labelled, load
from augstudy.data.drawn import Drawn, from_folder, from_split
from augstudy.data.images import ImageUsed, find_image, load_image, size_of
from augstudy.learn.classifier import Classifier, load_classifier
from augstudy.study.plan import Run
from augstudy.study.regimes import Image, Images
from augstudy.study.spec import Study
from augstudy.study.teachers import Elsewhere

__all__ = ["Planned", "Stock", "lender", "waits"]


@dataclass(frozen=True)
class Planned:
    """A run, what it will really read, and the hash that names its folder."""

    run: Run
    key: str
    image: ImageUsed | None
    drawn: Drawn | None = None
    teacher: "Planned | Elsewhere | None" = None

    @property
    def pictures(self) -> str:
        """What its corpus is cut from, for tables; "-" without a corpus."""
        return self.image.label if self.image else self.drawn.label if self.drawn else "-"

    @property
    def lineage(self) -> tuple[str, ...]:
        """The hashes of the study's runs that must be made before it, each after those that it needs, and its own."""
        return (*(self.teacher.lineage if isinstance(self.teacher, Planned) else ()), self.key)

    @property
    def note(self) -> str:
        """What a reader of its numbers must know of its corpus, in some words; "" where there is nothing."""
        unseen = self.drawn.unseen(self.run.recipe.count) if self.drawn else ""
        skipped = f"{len(self.drawn.skipped):,} bad files were left out" if self.drawn and self.drawn.skipped else ""
        return "; ".join(text for text in (unseen, skipped) if text)


def taught_by(teacher: Planned, folder: RunFolder) -> Classifier:
    """The classifier that a finished run of this study left.

    Raises:
        Diverged: the run failed, so whoever is to learn from it fails too.
        UserError: its files are gone or damaged.
    """
    record = read_record(folder.record)
    if record["status"] == "failed":
        raise Diverged(f"its teacher failed, {teacher.run.row}, seed {teacher.run.seed}: {record['reason']}")
    return load_classifier(folder)


def lender(teacher: Planned | Elsewhere | None, folder: StudyFolder) -> Callable[[], Classifier] | None:
    """What loads a teacher when it is needed; `folder` is that of its study."""
    if isinstance(teacher, Planned):
        return partial(taught_by, teacher, folder.run(teacher.key))
    return teacher.load if teacher else None


class Stock:
    """The pixels of one study.

    Args:
        study: says which image, which labelled set, and how runs are computed.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.images: dict[Image, ImageUsed] = {}
        self.draws: dict[tuple[Images, int], Drawn] = {}

    def image(self, run: Run) -> ImageUsed | None:
        """The one image of a run.

        Raises:
            UserError: it cannot be had.
        """
        if run.data != "single_image":
            return None
        if run.image not in self.images:
            try:
                self.images[run.image] = find_image(run.image.name, run.image.fallback)
            except UserError as error:
                raise error.at(f"{self.study.said_in('image')}: image") from None
        return self.images[run.image]

    def drawn(self, run: Run) -> Drawn | None:
        """The several images of a run.

        Raises:
            UserError: they cannot be had, or are fewer than the row asks for.
        """
        if run.images is None:
            return None
        key = run.images, run.seed
        if key not in self.draws:
            folder, count = run.images.folder, run.images.count
            try:
                self.draws[key] = (
                    from_folder(Path(folder).expanduser(), count, run.seed, run.images.bad_files)
                    if folder
                    else from_split(self.labelled, count, run.seed)
                )
            except UserError as error:
                raise error.at(f"row {run.label!r}: data") from None
        return self.draws[key]

    def sizes(self, run: Run) -> Iterator[tuple[int, int]]:
        """(height, width) of the images that a run reads, in pixels; of files no more than their heads are read."""
        image, drawn = self.image(run), self.drawn(run)
        if image is not None:
            yield size_of(image.path)
            return
        split = drawn.images if drawn is not None else self.labelled.train
        if isinstance(split, Sequence):
            yield from map(size_of, split)
        else:
            height, width = split.images(torch.zeros(1, dtype=torch.long)).shape[-2:]
            yield height, width

    @cached_property
    def labelled(self) -> Labelled:
        """The labelled set; a set made of photographs leaves out those that encoders are trained on."""
        data = self.study.probe_data
        node = dict(data.settings)
        parts = [registry.find("data.datasets", name) for name in (data.name, data.fallback) if name]
        if any("exclude" in settings(part) for part in parts):
            node["exclude"] = sorted({*node.get("exclude", ()), *(used.name for used in self.images.values())})
        return load(data.name, data.fallback, node)

    def plan(self, run: Run) -> Planned:
        """The run with its pixels, under the hash of both."""
        image, drawn = self.image(run), self.drawn(run)
        found = image.content if image else drawn.content if drawn else ""
        content = f"shuffled {self.labelled.fingerprint}" if run.data == "full" else found
        teacher = self.plan(run.teacher) if isinstance(run.teacher, Run) else run.teacher
        identity = run.identity(content, self.study.precision, teacher.key if teacher else "")
        return Planned(run, digest(identity), image, drawn, teacher)

    def source(self, plan: Planned, device: torch.device) -> Source:
        """What a run trains on."""
        run = plan.run
        if plan.image is not None:
            return Corpus(load_image(plan.image.path), run.recipe, run.seed, device)
        if plan.drawn is not None:
            return Corpus(plan.drawn.images, run.recipe, run.seed, device)
        size = self.labelled.train.images(torch.zeros(1, dtype=torch.long)).shape[-1]
        return Whole(self.labelled.train, size, run.seed, device, limit=run.full.count)

    def samples(self, plan: Planned, device: torch.device) -> int:
        """What a run sees in its training: crops x epochs x views of a crop; 0 of one that is not trained."""
        run = plan.run
        if not run.method.trains:
            return 0
        count = run.recipe.count if run.cropped else len(self.source(plan, device))
        return run.method.visits(count) * run.method.epochs * len(run.view.graphs(run.method.views))


def waits(plan: Planned, folder: StudyFolder) -> bool:
    """Whether a run cannot begin yet, for its teacher is still to be trained."""
    return isinstance(plan.teacher, Planned) and not folder.run(plan.teacher.key).record.exists()
