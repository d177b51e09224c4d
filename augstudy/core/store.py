"""Every path under results/, and writes that are whole or not there at all.

results/<study>/study.yaml                 the resolved study and its list of runs
results/<study>/runs/<hash>/run.yaml       provenance of one run
results/<study>/runs/<hash>/checkpoint.pt  training state after the last finished epoch
results/<study>/runs/<hash>/encoder.safetensors, encoder.json, and head.safetensors of a run that tells classes
results/<study>/runs/<hash>/metrics.csv    training curve
results/<study>/runs/<hash>/features/      features of every layer, so that a new probe reads no image again
results/<study>/runs/<hash>/filters.npy, crops.npy, pictures/, galleries/    what figures show
results/<study>/runs/<hash>/record.json    what the run found; its presence means that the run is finished
results/<study>/records.json              all its records in one file, for reading where the runs' own are not kept
results/<study>/table.csv, table.md, claims.csv, figures/, report.html
"""

import fcntl
import hashlib
import io
import json
import os
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from augstudy.core.errors import UserError, of_disk
from augstudy.core.shape import overgrown
from augstudy.core.slips import not_yaml

__all__ = [
    "RESULTS",
    "RunFolder",
    "StudyFolder",
    "digest",
    "from_here",
    "read_json",
    "read_yaml",
    "replacing",
    "save_array",
    "sweep",
    "write_json",
    "write_text",
    "write_yaml",
]

RESULTS = Path("results")  # where the results of all studies lie unless told


def from_here(path: Path) -> Path:
    """A path as one would type it: from the current folder where it lies in it, so that it tells of no machine."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path


def digest(value: Any, length: int = 12) -> str:
    """A short stable name for a JSON-able value: equal values give equal names on every machine."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:length]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder that replaces `path` when the block ends well.

    A reader, or a process killed at any point, sees the old file or the new one, never half of one. Errors of the disk
    name `path`; others that the block raises pass as they are.
    """
    with _named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=f".tmp{path.suffix}")
        temporary = Path(name)
        try:
            with suppress(OSError):  # where there are no locks, what the killed leave stays
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield temporary
            with temporary.open("rb") as f:
                os.fsync(f.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            os.close(handle)
            temporary.unlink(missing_ok=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """A full disk does not say which file it was, and the name of a temporary one says nothing."""
    try:
        yield
    except OSError as error:
        if of_disk(error) and (error.filename is None or Path(str(error.filename)).name.startswith(f".{path.name}.")):
            error.filename = str(path)
        raise


def sweep(folder: Path) -> None:
    """Take away what processes that are dead left half-written in a folder and below: nobody holds it locked."""
    for path in folder.rglob(".*.tmp*"):
        with suppress(OSError), path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


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
    content = io.BytesIO()  # for numpy does not say what the system has against a file
    np.save(content, array)
    with replacing(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def read_json(path: Path) -> Any:
    """Raises UserError when the file is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not readable JSON ({error})", "Delete this file and run the study again.") from None


def read_yaml(path: Path) -> Any:
    """Raises UserError when the file is not YAML."""
    try:
        value = yaml.safe_load(text := path.read_text(encoding="utf-8"))
        if overgrown(value, len(text)):
            raise UserError(
                f"{path} is too large, too deep or refers to itself", "Write it without such aliases (*name)."
            )
        return value
    except UnicodeDecodeError:
        raise UserError(f"{path} is not text in UTF-8, so it is no YAML", "Save it as UTF-8 in an editor.") from None
    except yaml.YAMLError as error:
        raise not_yaml(path, error) from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        what = f"{path} is not readable YAML: a value is not what it says it is ({type(error).__name__}: {error})"
        raise UserError(what, "Look for dates, tags (!!) and deep brackets, and put texts in quotes.") from None


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def provenance(self) -> Path:
        return self.path / "run.yaml"

    @property
    def lock(self) -> Path:
        """Held by the process that makes the run."""
        return self.path / ".lock"

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
    def head(self) -> Path:
        return self.path / "head.safetensors"

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
    def features(self) -> Path:
        return self.path / "features"

    @property
    def filters(self) -> Path:
        return self.path / "filters.npy"

    @property
    def crops(self) -> Path:
        return self.path / "crops.npy"

    @property
    def views(self) -> Path:
        return self.path / "views.npy"

    @property
    def pictures(self) -> Path:
        return self.path / "pictures"

    def picture(self, name: str) -> Path:
        """An array of pictures that the run's method made, such as `samples`."""
        return self.pictures / f"{name}.npy"

    def gallery(self, name: str) -> Path:
        """What the figure of this name shows of the run: arrays made with its encoder."""
        return self.path / "galleries" / f"{name}.npz"


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
    def records(self) -> Path:
        """Every run's record by its hash. It is only read: what is done is told by each run's own record.json."""
        return self.path / "records.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def markdown(self) -> Path:
        return self.path / "table.md"

    @property
    def claims(self) -> Path:
        return self.path / "claims.csv"

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    def made_by(self, command: str = "") -> str:
        """What to type to make these results: `command`, or else the usual one, and where they are to lie."""
        command = command or f"augstudy run studies/{self.path.name}.yaml"
        parent = from_here(self.path.parent)
        return command if parent == RESULTS else f"{command} --results {shlex.quote(str(parent))}"

    def told(self) -> dict[str, Any]:
        """What study.yaml says of results, so without the command, which is another where a folder was moved to."""
        try:
            index = read_yaml(self.index)
        except (UserError, FileNotFoundError):
            return {}
        return {k: v for k, v in index.items() if k != "command"} if isinstance(index, dict) else {}

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
