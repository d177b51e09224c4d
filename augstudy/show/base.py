"""The results of one study as they lie on disk, read once: the index, the records, and one tidy DataFrame."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from augstudy.core.absent import require_results
from augstudy.core.errors import UserError
from augstudy.core.records import other_versions, read_records
from augstudy.core.store import StudyFolder, read_yaml
from augstudy.show.rows import REFERENCES, Row, merged, rows_of

__all__ = ["REFERENCES", "Results", "Row", "load", "with_protocol"]

_BEFORE_AXES = ["study", "label", "method", "data", "image"]
_AFTER_AXES = ["seed", "layer", "probe", "protocol", "probe_data", "metric", "value", "low", "high"]
_PROPER_NAMES = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet": "ImageNet", "stl10": "STL-10"}


@dataclass(frozen=True, eq=False)  # results are told apart by what was loaded, so that verdicts can be kept
class Results:
    """Everything that tables and figures are made from; `load` makes it.

    Args:
        folder: where it was read from and where tables and figures go.
        index: study.yaml.
        frame: one measured value a line; columns study, label, method, data, image, each sweep axis, seed, layer,
            probe, protocol, probe_data, metric, value, low and high (its 95 % interval over test images, NaN where
            there is none); ordered by row, seed, layer depth, probe.
        records: record.json, or the same out of records.json, of the runs that ended, finished or failed, by hash.
    """

    folder: StudyFolder
    index: dict[str, Any]
    frame: pd.DataFrame
    records: dict[str, dict[str, Any]]

    @property
    def title(self) -> str:
        return str(self.index.get("title") or self.index["study"])

    @property
    def axes(self) -> list[str]:
        """Names of the sweep axes, such as `method.temperature`."""
        return list(self.index.get("axes") or [])

    def unit(self, axis: str) -> str:
        """What is written behind a sweep axis: " (px)", or nothing where it has no unit."""
        unit = (self.index.get("units") or {}).get(axis)
        return f" ({unit})" if unit else ""

    @property
    def command(self) -> str:
        """The command that makes these results again."""
        return str(self.index.get("command") or self.folder.made_by())

    @cached_property
    def rows(self) -> list[Row]:
        """The lines of the table, in the order of the study."""
        return rows_of(self.index["runs"], self.axes)

    @cached_property
    def distinct_rows(self) -> list[Row]:
        """The rows without repeats: a method that ignores a sweep axis has the same runs at each of its values."""
        groups: dict[tuple[str, ...], list[Row]] = {}
        for row in self.rows:
            groups.setdefault((row.label, *(run["hash"] for run in row.runs)), []).append(row)
        return [merged(group, self.axes) for group in groups.values()]

    @cached_property
    def layers(self) -> list[str]:
        """All layers that were measured, in depth order; a row may lack some of them."""
        deepest: dict[str, int] = {}
        for record in self.records.values():
            for depth, layer in enumerate(record.get("layers") or []):
                deepest[layer] = max(depth, deepest.get(layer, depth))
        read = ~self.frame["probe"].isin(self.information)  # what is said of two encoders' embeddings is of no layer
        seen = list(dict.fromkeys(self.frame.loc[read, "layer"]))
        return sorted(seen, key=lambda layer: deepest.get(layer, len(deepest)))

    def shown(self, probe: str) -> str:
        """A probe of the frame as people read it, its protocol named: `linear (fast)`, `linear (paper)`, `knn`."""
        keys = {name: key for key, name in _probe_names(self.index).items()}
        protocols = {p["key"]: p.get("protocol") for p in self.index.get("probes") or []}
        return with_protocol(probe, protocols.get(keys.get(probe, "")))

    @property
    def information(self) -> list[str]:
        """Names of the study's estimators of mutual information; in the frame they stand among the probes."""
        return [estimator["name"] for estimator in self.index.get("mi") or []]

    @property
    def classes(self) -> int | None:
        """Number of classes of the probe data; chance is 100 / classes per cent."""
        return (self.index.get("probe_data") or {}).get("classes")

    def status(self, run: dict[str, Any]) -> str:
        """`finished`, `failed` or `unfinished`."""
        return str(self.records[run["hash"]]["status"]) if run["hash"] in self.records else "unfinished"

    @property
    def counts(self) -> dict[str, int]:
        """How many runs are finished, failed and unfinished."""
        states = [self.status(run) for run in self.index["runs"]]
        return {state: states.count(state) for state in ("finished", "failed", "unfinished")}

    @property
    def gaps(self) -> list[str]:
        """One sentence for each thing that the study asked for and the table lacks."""
        return list(_gaps(self))

    @property
    def image_sentence(self) -> str:
        """Which image the corpora were really cut from; empty when no run used one."""
        used = [label for label in dict.fromkeys(str(run["image"]) for run in self.index["runs"]) if label != "-"]
        return f"Image: {', '.join(used)}." if used else ""

    @property
    def probe_sentence(self) -> str:
        """Which labelled set the probes were really trained and tested on; empty when there is none."""
        data = self.index.get("probe_data")
        if not data:
            return ""
        sizes = f"{data['classes']} classes, {data['train']:,} training and {data['test']:,} test images"
        return f"Probe data: {data['label']}; {sizes}."

    @property
    def warnings(self) -> list[str]:
        """One sentence for each fallback, each row with images unseen, and runs of different versions of torch."""
        others = other_versions(self.records)
        return [*_warnings(self.index), *([others] if others else [])]

    def require_records(self) -> None:
        """Raises UserError where no run has ended, or nothing but tables and figures was kept of those that have."""
        if not self.records:
            what = f"{self.folder.path} has no record of a run, so its table and figures are left as they are"
            raise UserError(what, f"There is no records.json either; make the records with: {self.command}")


def load(folder: StudyFolder) -> Results:
    """Read a study's results; runs that are not finished yet are simply not in the frame.

    Raises:
        UserError: there are no results in this folder, or its index or a record is not readable.
    """
    require_results(folder)
    index = read_yaml(folder.index)
    if not isinstance(index, dict) or not {"study", "runs"} <= index.keys():
        raise UserError(f"{folder.index} is not the index of a study", f"Make it again: {folder.made_by()}")
    records = read_records(folder, [run["hash"] for run in index["runs"]])
    return Results(folder, index, _tidy(index, records), records)


def with_protocol(probe: str, protocol: str | None) -> str:
    """A probe's name with its protocol, which parts of one kind bear at the end of their names."""
    return f"{probe.replace(f'_{protocol}', '', 1)} ({protocol})" if protocol else probe


def _probe_names(index: dict[str, Any]) -> dict[str, str]:
    """Evaluation key -> name; two probes of one kind with different settings are told apart by their keys."""
    probes = [*(index.get("probes") or []), *(index.get("mi") or [])]
    kinds = [probe["name"] for probe in probes]
    return {p["key"]: p["name"] if kinds.count(p["name"]) == 1 else f"{p['name']} {p['key'][:4]}" for p in probes}


def _tidy(index: dict[str, Any], records: dict[str, dict[str, Any]]) -> pd.DataFrame:
    axes = list(index.get("axes") or [])
    probes = _probe_names(index)
    protocols = {p["key"]: p.get("protocol") or "" for p in index.get("probes") or []}
    lines = [
        (index["study"], row.label, row.method, run["data"], run["image"], *row.values, run["seed"], *measured)
        for row in rows_of(index["runs"], axes)
        for run in row.runs
        if run["hash"] in records
        for measured in _measured(records[run["hash"]], probes, protocols)
    ]
    columns = _BEFORE_AXES + axes + _AFTER_AXES
    # Axis columns stay objects: an axis of whole numbers that one row lacks would otherwise be printed as 1.0, 2.0.
    kinds = {"seed": "int64", "value": "float64", "low": "float64", "high": "float64"} | dict.fromkeys(axes, "object")
    series = {
        name: pd.Series([line[i] for line in lines], dtype=kinds.get(name, "str")) for i, name in enumerate(columns)
    }
    return pd.DataFrame(series)


def _measured(record: dict[str, Any], probes: dict[str, str], protocols: dict[str, str]) -> list[tuple[Any, ...]]:
    """(layer, probe, ..., high) of the evaluations that belong to the study as it stands."""
    if record["status"] != "finished":
        return []
    depths = {layer: depth for depth, layer in enumerate(record.get("layers") or [])}
    order = list(probes)
    found = [e for e in record.get("evaluations") or [] if e["key"] in probes]
    found.sort(key=lambda e: order.index(e["key"]))
    lines = [
        (
            m["layer"],
            probes[e["key"]],
            protocols.get(e["key"], ""),
            e["probe_data"],
            m["metric"],
            *map(_number, _triple(m)),
        )
        for e in found
        for m in e["metrics"]
    ]
    return sorted(lines, key=lambda line: depths.get(line[0], len(depths)))  # stable: probes keep the study's order


def _triple(metric: dict[str, Any]) -> tuple[Any, Any, Any]:
    return metric["value"], metric.get("low"), metric.get("high")


def _number(value: Any) -> float:
    return float("nan") if value is None else value


def _gaps(results: Results) -> Iterator[str]:
    names = _probe_names(results.index)
    of_pairs = {estimator["key"] for estimator in results.index.get("mi") or []}
    for row in results.rows:
        for run in row.runs:
            probes = {k: name for k, name in names.items() if run.get("mi") or k not in of_pairs}
            who = f"{row.name}, seed {run['seed']} (run {run['hash']})"
            record = results.records.get(run["hash"])
            if record is None:
                yield f"{who}: unfinished"
            elif record["status"] != "finished":
                yield f"{who}: {record['status']}, {record.get('reason') or 'no reason recorded'}"
            elif missing := probes.keys() - {e["key"] for e in record.get("evaluations") or []}:
                yield f"{who}: not evaluated by {', '.join(name for key, name in probes.items() if key in missing)}"


def _warnings(index: dict[str, Any]) -> Iterator[str]:
    image = index.get("image") or {}
    if image and image["used"] != image["asked"]:
        yield f"The image {image['asked']} that the study asks for was not at hand: {image['used']} was used instead."
    data = index.get("probe_data") or {}
    if data and data["used"] != data["asked"]:
        asked = _PROPER_NAMES.get(data["asked"], data["asked"])
        note = f" ({data['note']})" if data.get("note") else ""
        yield (
            f"The probe data {asked} that the study asks for were not at hand: {data['used']} were used instead{note}. "
            f"Accuracies on the fallback are not comparable with {asked}."
        )
    yield from index.get("notes") or []
