"""Where a number came from: commit, versions and machine."""

import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from augstudy.core.errors import UserError
from augstudy.core.store import read_yaml
from augstudy.data.images import ImageUsed

__all__ = ["continued", "image_facts", "plain", "provenance"]

SITTING = ("date", "commit", "versions", "device", "threads", "precision")  # what `provenance` tells
PACKAGES = ("augstudy", "torch", "torchvision", "kornia", "lightly", "pytorch-lightning", "numpy", "scikit-learn")


def provenance(device: torch.device, precision: str) -> dict[str, Any]:
    """Facts for `run.yaml`, as plain values."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "threads": torch.get_num_threads(),
        "precision": precision,
    }


def continued(facts: dict[str, Any], path: Path, epochs: int) -> dict[str, Any]:
    """The facts of a run that goes on, with where its first epochs were made.

    Args:
        facts: for `run.yaml`, of what is made here and now.
        path: `run.yaml` as the run was left.
        epochs: that the run has behind it.

    Returns:
        the facts and, as `before`, where earlier sittings were that differ in more than their date; a run with no epoch
        left was made where it was made.
    """
    try:
        old = read_yaml(path) if epochs and path.exists() else None
    except UserError:  # damaged, and about to be written anew
        old = None
    if not isinstance(old, dict) or "commit" not in old:
        return facts
    if epochs >= facts["config"]["method"].get("epochs", 0):
        return facts | {key: old[key] for key in (*SITTING, "before") if key in old}
    made = {key: old.get(key) for key in SITTING}
    other = any(made[key] != facts[key] for key in SITTING if key != "date")
    before = [*(old.get("before") or []), *([made] if other else [])]
    return {**facts, "before": before} if before else facts


@cache
def commit() -> str:
    """The checkout's commit, marked if the package differs from it; "unknown" outside a checkout."""
    root = Path(__file__).parents[2]
    try:
        head = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", "augstudy", "configs", "studies")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head}, changed" if changed else head


def _git(root: Path, *args: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *args], capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()


@cache
def processor() -> str:
    """The CPU's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def image_facts(image: ImageUsed | None) -> dict[str, Any] | None:
    """An image for people: what was asked, what was used, and whose it is."""
    if image is None:
        return None
    names: Sequence[str] = ("asked", "sha256", "licence", "credit")
    return {"used": image.name, "label": image.label} | {name: getattr(image, name) for name in names}


def plain(value: Any) -> Any:
    """Tuples as lists, for YAML."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, tuple | list) else value
