"""What runs took and on which machine, from their records and their run.yaml."""

from functools import lru_cache
from typing import Any

from augstudy.core.store import read_yaml
from augstudy.show.base import Results, Row

__all__ = ["facts", "machines", "samples", "seconds"]


@lru_cache(maxsize=4)  # figures and report ask for the same; none of them changes it
def facts(results: Results) -> dict[str, dict[str, Any]]:
    """Hash -> what run.yaml says of a run: commit, versions, machine; runs whose file is not there have no entry."""
    paths = {run["hash"]: results.folder.run(run["hash"]).provenance for run in results.index["runs"]}
    found = {key: read_yaml(path) for key, path in paths.items() if path.exists()}
    return {key: value for key, value in found.items() if isinstance(value, dict)}


def seconds(results: Results, row: Row) -> list[float]:
    """What each finished run of a row took to train, in seconds, by seed."""
    records = (results.records[run["hash"]] for run in row.runs if results.status(run) == "finished")
    return [float(record["seconds"]) for record in records if record.get("seconds") is not None]


def samples(row: Row) -> int | None:
    """What each run of a row saw in training: crops x epochs x views of a crop; None where the study does not say."""
    told = {run.get("samples") for run in row.runs}
    return told.pop() if len(told) == 1 else None


def machines(results: Results) -> str:
    """For a caption: ", on <device>, <n> threads", as often as there are such; empty where no run says."""
    found = dict.fromkeys(_machine(run) for run in facts(results).values() if run.get("device"))
    return f", on {' or '.join(found)}" if found else ""


def _machine(run: dict[str, Any]) -> str:
    threads = run.get("threads")
    return f"{run['device']}, {threads} thread{'s' * (threads != 1)}" if threads else str(run["device"])
