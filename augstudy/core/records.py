"""The record of a run, and those of all runs of a study in one file, for reading where the runs' own are not kept."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from augstudy.core.errors import UserError
from augstudy.core.shape import misshapen
from augstudy.core.store import StudyFolder, digest, read_json, write_json, write_text

__all__ = [
    "checked_record",
    "extend_record",
    "other_versions",
    "read_record",
    "read_records",
    "write_record",
    "write_records",
]

SEAL = "checksum"  # of all that a record says besides


def read_record(path: Path) -> dict[str, Any]:
    """What is recorded of a run that ended.

    Raises:
        UserError: the file is not JSON, lacks what every record has, or is not what was written.
    """
    record = checked_record(read_json(path), str(path))
    seal = record.pop(SEAL, None)
    old = seal is None and "torch" not in record  # of a version that knew no checksums
    if not old and seal != digest(record):
        raise UserError(f"{path} is damaged: its checksum is another", "Delete this file and run the study again.")
    return record


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write a record with its checksum, so that no number is read that was not written."""
    write_json(path, {**record, SEAL: digest(record)})


def extend_record(path: Path, record: dict[str, Any], evaluations: Iterable[dict[str, Any]]) -> None:
    """Add evaluations to a record as they come: each is on disk before the next is measured."""
    for evaluation in evaluations:
        record["evaluations"].append(evaluation)
        write_record(path, record)


def checked_record(record: Any, where: str) -> dict[str, Any]:
    """Raises UserError when a value lacks what every record has."""
    if slip := misshapen(record):
        raise UserError(f"{where} is no record of a run: {slip}", "Delete this file and run the study again.")
    return dict(record)


def read_records(folder: StudyFolder, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Each run's own record; where that is not kept, as in a clone, the one in records.json; else none.

    Args:
        keys: hashes of runs.

    Raises:
        UserError: a file is not JSON, or a record lacks what every record has.
    """
    own = {key: folder.run(key).record for key in keys}
    kept = {} if all(path.exists() for path in own.values()) else _kept(folder)
    found = {key: read_record(path) if path.exists() else kept.get(key) for key, path in own.items()}
    return {key: record for key, record in found.items() if record is not None}


def write_records(folder: StudyFolder, records: Mapping[str, dict[str, Any]]) -> None:
    """Write records.json or nothing, a line a run, so that a change of one run is a change of one line.

    Floats keep all their digits. What it holds of other runs stays where it is the only record of them.
    """
    others = {key: record for key, record in _kept(folder).items() if not folder.run(key).record.exists()}
    lines = [f"{json.dumps(k)}: {json.dumps(r, ensure_ascii=False)}" for k, r in {**others, **records}.items()]
    write_text(folder.records, "{\n" + ",\n".join(lines) + "\n}\n")


def other_versions(records: Mapping[str, dict[str, Any]], now: str = "") -> str:
    """A sentence on runs that were trained with different versions of torch; "" where there are none.

    Args:
        now: the version that further runs will be trained with.
    """
    made = Counter(" then ".join(record["torch"]) for record in records.values() if record.get("torch"))
    if len(made.keys() | ({now} if now and made else set())) < 2:
        return ""
    told = ", ".join(f"{version} ({count} {'run' if count == 1 else 'runs'})" for version, count in made.items())
    further = f"; further runs will be with {now}" if now and now not in made else ""
    return (
        f"Runs of this study were trained with different versions of torch, so not all else is equal: {told}{further}."
    )


def _kept(folder: StudyFolder) -> dict[str, dict[str, Any]]:
    found = read_json(folder.records) if folder.records.exists() else {}
    if not isinstance(found, dict):
        raise UserError(f"{folder.records} holds no records by hash", "Delete this file and run the study again.")
    return {key: checked_record(record, f"{folder.records}: {key}") for key, record in found.items()}
