"""What a record of a run and a YAML file must be like, so that what reads them need not ask."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["misshapen", "overgrown"]

RECORDED = ("status", "layers", "pretext", "evaluations")  # what a record always has
STATES = ("finished", "failed")
DEEPEST = 64
LARGEST = 10**300


def misshapen(record: Any) -> str:
    """In a few words what a value lacks of the record of a run; "" for a record."""
    if missing := [key for key in RECORDED if not isinstance(record, dict) or key not in record]:
        return f"it has no {', '.join(missing)}"
    return next(_slips(record), "")


def _slips(record: Mapping[str, Any]) -> Iterator[str]:
    if record["status"] not in STATES:
        yield f"status is neither {' nor '.join(STATES)}"
    if not _is_list(record["layers"], str):
        yield "layers is no list of names"
    if not _number(record.get("seconds")):
        yield "seconds is no number"
    if not _is_list(record.get("torch") or [], str):
        yield "torch is no list of versions"
    for key in ("pretext", "evaluations"):
        if not _is_list(record[key], dict):
            yield f"{key} is no list of mappings"
    for at, entry in enumerate(record["pretext"]):
        if not isinstance(entry.get("metric"), str) or not _number(entry.get("value")):
            yield f"pretext[{at}] has no metric and value"
    for at, entry in enumerate(record["evaluations"]):
        yield from (f"evaluations[{at}]: {slip}" for slip in _of_evaluation(entry))


def _of_evaluation(entry: Mapping[str, Any]) -> Iterator[str]:
    for key in ("key", "probe", "probe_data"):
        if not isinstance(entry.get(key), str):
            yield f"{key} is no text"
    if not _is_list(entry.get("metrics"), dict):
        yield "metrics is no list of mappings"
    for at, metric in enumerate(entry["metrics"]):
        named = isinstance(metric.get("layer"), str) and isinstance(metric.get("metric"), str)
        if not named or "value" not in metric or not all(_number(metric.get(key)) for key in ("value", "low", "high")):
            yield f"metrics[{at}] has no layer, metric and value"


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(entry, kind) for entry in value)


def _number(value: Any) -> bool:
    """A number or null; whole numbers that no float can hold are none."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < LARGEST
    return value is None or isinstance(value, float)


def overgrown(value: Any, length: int) -> bool:
    """Whether a value has more parts than YAML of so many characters can write out, or lies too deep.

    Aliases may make a few lines stand for millions of parts; without them, each part takes a character at least.
    """
    waiting, seen = [(value, 0)], 0
    while waiting:
        part, depth = waiting.pop()
        seen += 1
        if seen > length + 1 or depth > DEEPEST:
            return True
        if isinstance(part, Mapping):
            waiting += [(inner, depth + 1) for pair in part.items() for inner in pair]
        elif isinstance(part, list | tuple | set):
            waiting += [(inner, depth + 1) for inner in part]
    return False
