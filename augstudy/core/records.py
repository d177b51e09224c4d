"""The records of all runs of a study in one file, for reading where the runs' own are not kept."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from augstudy.core.errors import UserError
from augstudy.core.store import StudyFolder, checked_record, read_json, read_record, write_text

__all__ = ["are_written", "read_records", "write_records"]


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


def are_written(folder: StudyFolder, records: Mapping[str, dict[str, Any]]) -> bool:
    """Whether records.json holds just these records of these runs."""
    kept = _kept(folder)
    return all(kept.get(key) == record for key, record in records.items())


def _kept(folder: StudyFolder) -> dict[str, dict[str, Any]]:
    found = read_json(folder.records) if folder.records.exists() else {}
    if not isinstance(found, dict):
        raise UserError(f"{folder.records} holds no records by hash", "Delete this file and run the study again.")
    return {key: checked_record(record, f"{folder.records}: {key}") for key, record in found.items()}
