"""What an export has done so far and how, so that a killed one goes on and a finished one can be checked."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augstudy.core.errors import UserError
from augstudy.core.store import read_json, write_json, write_text
from augstudy.data.shards import Part, Tally

__all__ = ["Ledger"]


@dataclass(frozen=True)
class Ledger:
    """The record of an export: `progress.jsonl` while it goes on, `manifest.json` when it is finished.

    Neither holds a time, so that two exports with the same settings have equal bytes.

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
        """Keep other processes out of the folder; the system opens the lock when this one ends, however it ends.

        Raises:
            UserError: another export writes here.
        """
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise UserError(f"another export is writing into {self.folder}", "Wait for it, or end it.") from None
        finally:
            os.close(handle)

    def finished(self) -> list[dict[str, Any]] | None:
        """The parts of the finished export in this folder, or None if there is none.

        Raises:
            UserError: it was made with other settings.
        """
        if not self.manifest.exists():
            return None
        found = read_json(self.manifest)
        self._compare(found)
        self.progress.unlink(missing_ok=True)  # killed before this was done
        return list(found["parts"])

    def same_versions(self) -> bool:
        """Whether the finished export was made with what is here: else the last bit of a pixel may differ."""
        return bool(read_json(self.manifest)["made_with"] == dict(self.made_with))

    def known(self) -> list[dict[str, Any]]:
        """The parts that an export which was not finished has behind it.

        Raises:
            UserError: the folder holds something else, or the beginning of another export.
        """
        for name in (self.progress.name, self.manifest.name):
            for leftover in self.folder.glob(f".{name}.*.tmp.*"):  # of a process killed while it wrote
                leftover.unlink()
        if not self.progress.exists():
            if any(self.folder.iterdir()):
                raise UserError(f"{self.folder} is not empty and holds no export", "Name a new folder with --out.")
            return []
        found, *parts = self._lines()
        self._compare(found)
        if found["made_with"] != dict(self.made_with):
            what = f"{self.folder} was begun with {told(found['made_with'])}, but here is {told(self.made_with)}"
            raise UserError(what, "Go on with those versions and that device, or delete the folder.")
        return parts

    def open(self, parts: list[dict[str, Any]]) -> None:
        """Begin, or go on after these parts."""
        write_text(self.progress, "".join(json.dumps(line) + "\n" for line in (self._head, *parts)))

    @property
    def _head(self) -> dict[str, Any]:
        return {"settings": dict(self.settings), "made_with": dict(self.made_with)}

    def _lines(self) -> list[dict[str, Any]]:
        """A process killed in the middle of a line leaves it without an end: that part is made again."""
        whole = self.progress.read_text(encoding="utf-8").rpartition("\n")[0]
        try:
            return [json.loads(line) for line in whole.splitlines()]
        except ValueError as error:
            raise UserError(f"{self.progress} is damaged ({error})", "Delete the folder and export again.") from None

    def note(self, name: str, part: Part, tally: Tally) -> dict[str, Any]:
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

    def close(self, parts: list[dict[str, Any]]) -> None:
        """Write the manifest: from now on the export is finished."""
        ordered = sorted(parts, key=lambda part: part["number"])
        write_json(self.manifest, self._head | {"bytes": sum(part["bytes"] for part in parts), "parts": ordered})
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


def told(made_with: Mapping[str, Any]) -> str:
    """Versions and device in one line."""
    return ", ".join(f"{name} {value}" for name, value in made_with.items())
