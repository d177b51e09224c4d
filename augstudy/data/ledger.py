"""What an export has done so far and how, so that a killed one goes on and a finished one can be checked."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augstudy.core.errors import UserError
from augstudy.core.lock import holding
from augstudy.core.store import write_json, write_text
from augstudy.data.shelf import Part, Tally, settle

__all__ = ["Entry", "Ledger"]

Entry = dict[str, Any]  # of a part
FIELDS = {"name": str, "number": int, "first": int, "crops": int, "bytes": int, "sha256": str}


@dataclass(frozen=True)
class Ledger:
    """The record of an export: `progress.jsonl` while it goes on, `manifest.json` when it is finished.

    Neither holds a time, so that two exports with the same settings, made with the same, have equal bytes.

    Args:
        folder: of the export.
        settings: all that the crops depend on, and how they are stored; JSON-able.
        made_with: versions and device, on which the last bit of a pixel depends.
    """

    folder: Path
    settings: Mapping[str, Any]
    made_with: Mapping[str, Any]

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.json"

    @property
    def progress(self) -> Path:
        return self.folder / "progress.jsonl"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of the folder.

        Raises:
            UserError: another export writes here.
        """
        with holding(self._lock) as held:
            if not held:
                raise UserError(f"another export is writing into {self.folder}", "Wait for it, or end it.")
            yield

    @property
    def _lock(self) -> Path:
        return self.folder / ".lock"

    @property
    def finished(self) -> bool:
        return self.manifest.exists()

    def sweep(self) -> None:
        """Take away what a process left that was killed while it wrote a record."""
        for name in (self.progress.name, self.manifest.name):
            for leftover in self.folder.glob(f".{name}.*.tmp.*"):
                leftover.unlink()

    def noted(self) -> dict[int, Entry]:
        """The parts that an export in this folder, finished or not, has behind it, by their numbers.

        Raises:
            UserError: the folder holds something else, another export, or a damaged record.
        """
        record = self._record()
        if record is None:
            if any(path != self._lock for path in self.folder.iterdir()):
                raise UserError(f"{self.folder} is not empty and holds no export", "Name a new folder with --out.")
            return {}
        self._compare(record)
        return {part["number"]: part for part in record["parts"]}

    def differences(self) -> list[str]:
        """What the export in this folder was made with and is not so here: `numba 0.61 there, 0.62 here`."""
        record, ours = self._record(), self.made_with
        theirs = record["made_with"] if record else ours
        pairs = {name: (theirs.get(name, "unknown"), ours.get(name, "none")) for name in {**ours, **theirs}}
        return [f"{name} {there} there, {here} here" for name, (there, here) in pairs.items() if there != here]

    def open(self, parts: Iterable[Entry]) -> None:
        """Begin, or go on after these parts: from now on the export is not finished."""
        write_text(self.progress, "".join(json.dumps(line) + "\n" for line in (self._head, *parts)))
        self.manifest.unlink(missing_ok=True)
        settle(self.folder)

    @property
    def _head(self) -> dict[str, Any]:
        return {"settings": dict(self.settings), "made_with": dict(self.made_with)}

    def _record(self) -> dict[str, Any] | None:
        """What is written of the export in this folder."""
        path = next((path for path in (self.manifest, self.progress) if path.exists()), None)
        if path is None:
            return None
        try:
            return read(path)
        except (OSError, ValueError) as error:
            fix = "Name a new folder with --out; if an export of yours lies there, delete it and export again."
            raise UserError(f"{path} is damaged, or no record of an export ({error})", fix) from None

    def note(self, name: str, part: Part, tally: Tally) -> Entry:
        """Record that a part is in place."""
        entry = {
            "name": name,
            "number": part.number,
            "first": part.first,
            "crops": part.stop - part.first,
            "bytes": tally.bytes,
            "sha256": tally.sha.hexdigest(),
        }
        with self.progress.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return entry

    def close(self, parts: Iterable[Entry]) -> None:
        """Write the manifest: from now on the export is finished."""
        ordered = sorted(parts, key=lambda part: part["number"])
        write_json(self.manifest, self._head | {"bytes": sum(part["bytes"] for part in ordered), "parts": ordered})
        settle(self.folder)
        self.progress.unlink()

    def _compare(self, found: dict[str, Any]) -> None:
        theirs, ours = flat(found["settings"]), flat(self.settings)
        for key in ours | theirs:
            if theirs.get(key) != ours.get(key):
                what = f"{self.folder} holds another export: {key} is {theirs.get(key)} there, {ours.get(key)} here"
                raise UserError(what, "Name another folder with --out, or give the same settings.")


def flat(node: Any, at: str = "") -> dict[str, Any]:
    """Nested settings as `recipe.size: 32`; tuples as the lists that JSON makes of them."""
    if isinstance(node, list) and node and isinstance(node[0], Mapping):
        node = {str(i): value for i, value in enumerate(node)}
    if isinstance(node, Mapping):
        return {k: v for name, value in node.items() for k, v in flat(value, f"{at}.{name}" if at else name).items()}
    return {at: json.loads(json.dumps(node))}


def read(path: Path) -> dict[str, Any]:
    """Settings, versions and parts; raises ValueError if they are not there, OSError if the file cannot be read."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        head = json.loads(text)
        parts = head.get("parts") if isinstance(head, dict) else None
    else:  # a process killed in the middle of a line leaves it without an end: that part is made again
        head, *parts = [json.loads(line) for line in text.rpartition("\n")[0].splitlines()] or [None]
    if not isinstance(head, dict) or not all(isinstance(head.get(key), dict) for key in ("settings", "made_with")):
        raise ValueError("settings or versions are missing")
    if not isinstance(parts, list) or not all(map(is_entry, parts)):
        raise ValueError("its parts are missing or incomplete")
    return {**head, "parts": parts}


def is_entry(node: Any) -> bool:
    """Whether all is there that is noted of a part."""
    return isinstance(node, dict) and all(isinstance(node.get(key), kind) for key, kind in FIELDS.items())
