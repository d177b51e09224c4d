"""What is measured of every finished encoder, and which of it a record still lacks."""

from dataclasses import asdict, dataclass
from typing import Any

import torch

from augstudy.core import registry
from augstudy.core.build import build
from augstudy.core.store import RunFolder, digest
from augstudy.data.datasets.base import Labelled
from augstudy.evaluate.features import Extraction
from augstudy.evaluate.probes.base import Probe
from augstudy.learn.checkpoint import load_encoder
from augstudy.study.plan import Study

__all__ = ["Measurement"]


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

    def key(self, name: str, data: Labelled) -> str:
        """Names a probe with its settings and its data, so that a changed one is measured anew."""
        facts = [name, asdict(self.probes[name]), asdict(self.extraction), data.fingerprint]
        return digest(facts)

    def lacking(self, record: dict[str, Any], data: Labelled) -> dict[str, Probe]:
        """The probes that a record has no evaluation by."""
        done = {e["key"] for e in record["evaluations"]}
        return {name: probe for name, probe in self.probes.items() if self.key(name, data) not in done}

    def missing(
        self, record: dict[str, Any], folder: RunFolder, data: Labelled, device: torch.device
    ) -> list[dict[str, Any]]:
        """The evaluations that a record lacks, measured on the run's encoder."""
        wanted = self.lacking(record, data)
        if not wanted:
            return []
        train, test = self.extraction(load_encoder(folder), data, device)
        return [
            {
                "probe": name,
                "key": self.key(name, data),
                "probe_data": data.label,
                "metrics": [asdict(m) for m in probe(train, test)],
            }
            for name, probe in wanted.items()
        ]

    def main(self, record: dict[str, Any], data: Labelled) -> dict[str, Any] | None:
        """What the study's first probe found; a record may hold those of other probes and settings besides."""
        keys = [self.key(name, data) for name in self.probes][:1]
        return next((e for e in record["evaluations"] if e["key"] in keys), None)

    def sizes(self, data: Labelled) -> dict[str, int]:
        """How many images of each split are used."""
        return {
            "train": min(self.extraction.train or len(data.train), len(data.train)),
            "test": min(self.extraction.test or len(data.test), len(data.test)),
        }
