"""The runs of a study that lie on disk, and which of them belong to it no more."""

import csv
import fcntl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from augstudy.core.absent import require_results
from augstudy.core.errors import UserError
from augstudy.core.records import read_record
from augstudy.core.store import RunFolder, StudyFolder, read_json, read_yaml

__all__ = ["Found", "found_runs"]

# libyaml's reader, where it is there, is ten times as fast, and as safe.
SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Found:
    """One run of a study.

    Args:
        row, seed, hash: which.
        state: finished, failed or unfinished.
        stale: it belongs to no row of the study as it was last run.
        epochs, of: of its training, done and in all; None where that is not known.
        seconds: that it took so far; None where that is not known.
        note: what else there is to know.
    """

    row: str
    seed: int | None
    hash: str
    state: str
    stale: bool
    epochs: int | None
    of: int | None
    seconds: float | None
    note: str


def found_runs(folder: StudyFolder) -> list[Found]:
    """The study's own runs in the order of its table, then the stale ones; nothing is changed.

    Raises:
        UserError: there are no results, or study.yaml is not the index of a study.
    """
    require_results(folder)
    index = read_yaml(folder.index)
    entries = index.get("runs") if isinstance(index, dict) else None
    if not isinstance(entries, list) or not all(isinstance(one, dict) and "hash" in one for one in entries):
        raise UserError(f"{folder.index} is not the index of a study", f"Make it again: {folder.made_by()}")
    own = {str(entry["hash"]): entry for entry in entries}
    runs = folder.path / "runs"
    there = sorted(path.name for path in runs.iterdir() if path.is_dir()) if runs.is_dir() else []
    published = _published(folder)
    stale = [_found(folder.run(key), None, key in published) for key in there if key not in own]
    found = (_found(folder.run(key), entry, key in published) for key, entry in own.items())
    return [*found, *sorted(stale, key=lambda run: run.row)]


def _published(folder: StudyFolder) -> frozenset[str]:
    """The hashes of runs whose records are in records.json too; none where it cannot be read."""
    try:
        return frozenset(read_json(folder.records))
    except (OSError, TypeError, UserError):
        return frozenset()


def _found(folder: RunFolder, entry: Mapping[str, Any] | None, published: bool) -> Found:
    facts = _facts(folder) if entry is None or not folder.record.exists() else {}
    known = entry or facts
    record, damage = _record(folder)
    history = list(_history(folder.metrics))
    seconds = record["seconds"] if record else sum(history) if history else None
    return Found(
        row=_row(known),
        seed=known.get("seed"),
        hash=folder.path.name,
        state=str(record["status"]) if record else "unfinished",
        stale=entry is None,
        epochs=len(history) if history else None,
        of=_epochs(facts),
        seconds=seconds,
        note="; ".join(filter(None, [damage, _note(folder, facts, record, published)])),
    )


def _epochs(facts: Mapping[str, Any]) -> int | None:
    """How many its training has, as run.yaml says; None where it does not, or is damaged."""
    node: Any = facts
    for key in ("config", "method", "epochs"):
        node = node.get(key) if isinstance(node, Mapping) else None
    return node if isinstance(node, int) else None


def _row(known: Mapping[str, Any]) -> str:
    axes = known.get("axes")
    place = ", ".join(f"{key}={value}" for key, value in axes.items()) if isinstance(axes, Mapping) else ""
    return ", ".join(filter(None, [str(known.get("label", "?")), place]))


def _note(folder: RunFolder, facts: Mapping[str, Any], record: Mapping[str, Any] | None, published: bool) -> str:
    if held(folder.lock):
        return "a process is at it"
    if record:
        return str(record["reason"] or "")
    if published:  # as in a clone
        return "a clone's: in records.json"
    return f"stopped by {facts['stopped']}" if facts.get("stopped") else "" if folder.path.is_dir() else "not begun"


def _record(folder: RunFolder) -> tuple[dict[str, Any] | None, str]:
    """A run's record if it has one, and what is wrong with it."""
    try:
        return (read_record(folder.record) if folder.record.exists() else None), ""
    except UserError as error:
        return None, error.what


def _facts(folder: RunFolder) -> dict[str, Any]:
    """What run.yaml says; nothing where it cannot be read."""
    try:
        facts = yaml.load(folder.provenance.read_text(encoding="utf-8"), SAFE)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _history(path: Path) -> Iterator[float]:
    """Seconds of each epoch in metrics.csv."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            yield from (float(row.get("seconds") or 0) for row in csv.DictReader(file))
    except (OSError, ValueError, csv.Error):
        return


def held(path: Path) -> bool:
    """Whether a living process holds this lock; it is looked at for an instant, and left."""
    try:
        with path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
