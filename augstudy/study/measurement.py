"""What is measured of every finished encoder, and which of it a record still lacks."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from augstudy.core import registry
from augstudy.core.build import build
from augstudy.core.errors import UserError, nearest
from augstudy.core.store import RunFolder, digest
from augstudy.data.datasets.base import Labelled
from augstudy.evaluate.features import Extraction
from augstudy.evaluate.labels import check_labels, overlap
from augstudy.evaluate.probes.base import EncoderProbe, FeatureProbe, Metric, Probe, Subject
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.checkpoint import load_encoder
from augstudy.learn.classifier import Classifier, load_head
from augstudy.study.plan import Run
from augstudy.study.spec import Study

__all__ = ["Measurement"]

Lender = Callable[[], Classifier] | None


@dataclass(frozen=True)
class Measurement:
    """The probes of a study and how features are read for them.

    Args:
        extraction: how features are read off an encoder.
        probes: name -> probe, the study's main one first.
    """

    extraction: Extraction
    probes: dict[str, Probe]

    @classmethod
    def of(cls, study: Study) -> "Measurement":
        """Raises UserError for a probe or a setting that there is not."""
        probes: dict[str, Probe] = {
            name: build(registry.find("evaluate.probes", name), node, f"{study.said_in('probes')}: probes: {name}")
            for name, node in study.probes.items()
        }
        return cls(build(Extraction, study.features, f"{study.said_in('features')}: features"), probes)

    def check(self, runs: Iterable[Run]) -> None:
        """Raises UserError where a probe names a layer that a row's encoder has not."""
        for starts in (getattr(probe, "starts", ()) for probe in self.probes.values()):
            for run in runs if starts else ():
                with torch.device("meta"):
                    names = run.backbone.encoder().names
                if wrong := [start for start in starts if start not in names]:
                    what = f"row {run.label!r}: finetune: starts: {run.backbone_name} has no layer {wrong[0]!r}"
                    raise UserError(what, nearest(wrong[0], names))

    def doubts(self, data: Labelled) -> list[str]:
        """What a reader of the numbers should know of the labelled set, one sentence each; UserError without labels."""
        return [*check_labels(data, self.extraction), *overlap(data, self.extraction)]

    def key(self, name: str, data: Labelled) -> str:
        """Names a probe with its settings and its data, so that a changed one is measured anew."""
        facts = [name, asdict(self.probes[name]), self.extraction.facts(), data.fingerprint]
        return digest(facts)

    def lacking(self, record: dict[str, Any], data: Labelled) -> dict[str, Probe]:
        """The probes that a record has no evaluation by."""
        done = {e["key"] for e in record["evaluations"]}
        return {name: probe for name, probe in self.probes.items() if self.key(name, data) not in done}

    def missing(
        self, record: dict[str, Any], folder: RunFolder, data: Labelled, device: torch.device, teacher: Lender = None
    ) -> Iterator[dict[str, Any]]:
        """The evaluations that a record lacks, one by one, of the run's encoder; `teacher` loads who taught it."""
        wanted = self.lacking(record, data)
        if not wanted:
            return
        encoder, head = load_encoder(folder), load_head(folder)
        for name, metrics in self.by(wanted, encoder, data, device, folder.features, head, teacher):
            yield {
                "probe": name,
                "protocol": self.probes[name].protocol,
                "key": self.key(name, data),
                "probe_data": data.label,
                "metrics": [asdict(m) for m in metrics],
            }

    def by(
        self,
        probes: dict[str, Probe],
        encoder: Encoder,
        data: Labelled,
        device: torch.device,
        features: Path | None,
        head: nn.Linear | None = None,
        teacher: Lender = None,
    ) -> Iterator[tuple[str, list[Metric]]]:
        """What each of these finds; features are read once for all that need no more, and kept in a folder if given."""
        read = None
        for name, probe in probes.items():
            if isinstance(probe, FeatureProbe):
                read = read or self.extraction(encoder, data, device, features)
                yield name, probe(*read)
            elif isinstance(probe, EncoderProbe):
                yield name, probe(Subject(encoder, data, self.extraction, device, head, teacher))

    def main(self, record: dict[str, Any], data: Labelled) -> dict[str, Any] | None:
        """What the study's first probe found; a record may hold those of other probes and settings besides."""
        keys = [self.key(name, data) for name in self.probes][:1]
        return next((e for e in record["evaluations"] if e["key"] in keys), None)

    def index(self, data: Labelled) -> list[dict[str, str]]:
        """The probes as tables and figures find and name them."""
        return [{"name": k, "key": self.key(k, data), "protocol": p.protocol} for k, p in self.probes.items()]

    def sizes(self, data: Labelled) -> dict[str, int]:
        """How many images of each split are used."""
        return {
            "train": min(self.extraction.train or len(data.train), len(data.train)),
            "test": min(self.extraction.test or len(data.test), len(data.test)),
        }
