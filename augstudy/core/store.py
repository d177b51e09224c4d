"""Every path under results/, and writes that are whole or not there at all.

results/<study>/study.yaml                 the resolved study and its list of runs
results/<study>/runs/<hash>/run.yaml       provenance of one run
results/<study>/runs/<hash>/checkpoint.pt  training state after the last finished epoch
results/<study>/runs/<hash>/encoder.safetensors, encoder.json
results/<study>/runs/<hash>/metrics.csv    training curve
results/<study>/runs/<hash>/filters.npy, crops.npy, pictures/    what figures show
results/<study>/runs/<hash>/record.json    what the run found; its presence means that the run is finished
results/<study>/table.csv, table.md, claims.csv, figures/
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from augstudy.core.errors import UserError

__all__ = [
    "RunFolder",
    "StudyFolder",
    "digest",
    "read_json",
    "read_record",
    "read_yaml",
    "replacing",
    "save_array",
    "write_json",
    "write_text",
    "write_yaml",
]

RECORDED = ("status", "layers", "pretext", "evaluations")  # what a record always has


def digest(value: Any, length: int = 12) -> str:
    """A short stable name for a JSON-able value: equal values give equal names on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:length]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder that replaces `path` when the block ends well.

    A reader, or a process killed at any point, sees the old file or the new one, never half of one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=f".tmp{path.suffix}")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as f:
            os.fsync(f.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a whole JSON file or nothing. Floats keep all their digits, so a record can be compared bit for bit."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def write_yaml(path: Path, value: Any) -> None:
    """Write a whole YAML file or nothing, keys in the order given."""
    write_text(path, yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120))


def save_array(path: Path, array: np.ndarray[Any, Any]) -> None:
    """Write a whole .npy file or nothing."""
    with replacing(path) as temporary:
        np.save(temporary, array)


def read_json(path: Path) -> Any:
    """Raises UserError when the file is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not readable JSON ({error})", "Delete this file and run the study again.") from None


def read_record(path: Path) -> dict[str, Any]:
    """What is recorded of a run that ended.

    Raises:
        UserError: the file is not JSON, or lacks what every record has.
    """
    found = read_json(path)
    missing = [key for key in RECORDED if not isinstance(found, dict) or key not in found]
    if missing:
        what = f"{path} is no record of a run: it has no {', '.join(missing)}"
        raise UserError(what, "Delete this file and run the study again.")
    return dict(found)


def read_yaml(path: Path) -> Any:
    """Raises UserError when the file is not YAML."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = str(error).replace("\n", " ")
        raise UserError(f"{path} is not readable YAML ({where})", "Mend the line named above.") from None


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def provenance(self) -> Path:
        return self.path / "run.yaml"

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.pt"

    @property
    def encoder(self) -> Path:
        return self.path / "encoder.safetensors"

    @property
    def card(self) -> Path:
        return self.path / "encoder.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def mlflow(self) -> Path:
        """MLflow's files, which all runs of a study share."""
        return self.path.parents[1] / "mlruns"

    @property
    def record(self) -> Path:
        return self.path / "record.json"

    @property
    def filters(self) -> Path:
        return self.path / "filters.npy"

    @property
    def crops(self) -> Path:
        return self.path / "crops.npy"

    @property
    def pictures(self) -> Path:
        return self.path / "pictures"

    def picture(self, name: str) -> Path:
        """An array of pictures that the run's method made, such as `samples`."""
        return self.pictures / f"{name}.npy"


@dataclass(frozen=True)
class StudyFolder:
    """The files of one study: `results/<study>`."""

    path: Path

    @property
    def index(self) -> Path:
        return self.path / "study.yaml"

    @property
    def table(self) -> Path:
        return self.path / "table.csv"

    @property
    def markdown(self) -> Path:
        return self.path / "table.md"

    @property
    def claims(self) -> Path:
        return self.path / "claims.csv"

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    def run(self, key: str) -> RunFolder:
        """The folder of the run with this hash."""
        return RunFolder(self.path / "runs" / key)

    def require_writable(self) -> None:
        """Raises UserError now, rather than after hours of work, when nothing can be written here; leaves nothing."""
        here = next(path for path in (self.path, *self.path.absolute().parents) if path.exists())
        try:
            with tempfile.NamedTemporaryFile(dir=here, prefix=".probe", suffix=".tmp"):
                pass
        except OSError as error:
            raise UserError(
                f"the results folder {self.path} cannot be written ({error.strerror})",
                "Give another one with --results DIR, or mend its permissions.",
            ) from None
