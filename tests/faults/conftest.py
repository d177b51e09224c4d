"""A tiny study, its table when nothing goes wrong, and a way to let things go wrong."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

STUDY = """defaults: [/study, /scale: smoke, _self_]
title: A study that is interfered with
image: {name: hubble}
probe_data: {name: photos, settings: {train_per_class: 5, test_per_class: 5}}
rows:
  - {label: random, method: random}
  - {label: RotNet, method: {name: rotnet, epochs: 3}}
corpus: {count: 64}
features: {train: 60, test: 60, calibrate: 60}
probes: [knn]
figures: []
"""

MOMENTS = ("half a file", "not in place", "in place")  # of a file that is written, at which kill -9 strikes


@dataclass
class Laboratory:
    """Runs `augstudy` in processes that share their imports.

    Args:
        driver: the process that they are forked from.
        study: its file.
        whole: its results when nothing went wrong.
        caches: where augstudy and torch are told to keep theirs.
        temporary: the system's folder for files that soon go away again.
        touched: every path that this process opened for writing, made, moved or deleted to make them.
    """

    DRAWN: ClassVar[str] = "figures=[layer_curves]"  # which costs time, so only where it is looked at

    driver: "subprocess.Popen[str]"
    study: Path
    whole: Path
    caches: Path
    temporary: Path
    touched: frozenset[str] = frozenset()

    def __call__(self, results: Path, *arguments: str, study: Path | None = None, **wish: Any) -> tuple[Any, str]:
        """Exit code (or both, of two at once) and output of `augstudy run`; with `bare`, of what `arguments` say."""
        run = ("run", str(study or self.study), *arguments, "--results", str(results))
        words = arguments if wish.pop("bare", False) else run
        results.mkdir(parents=True, exist_ok=True)
        out = results / "said"
        wish |= {"arguments": words, "out": str(out)}
        assert self.driver.stdin is not None
        assert self.driver.stdout is not None
        self.driver.stdin.write(json.dumps(wish) + "\n")
        self.driver.stdin.flush()
        codes = json.loads(self.driver.stdout.readline())
        said = "".join(path.read_text() for path in sorted(results.glob("said*")))
        for path in results.glob("said*"):
            path.unlink()
        return (codes if wish.get("twice") else codes[0]), said

    def table(self, results: Path) -> bytes:
        return (results / "toy" / "table.csv").read_bytes()

    def check(self, results: Path, arguments: tuple[str, ...] = (), **wish: Any) -> str:
        """Resume: it ends well, with the table of the undisturbed study, and repeats no finished run."""
        done = {path: weights(path.parent) for path in results.glob("toy/runs/*/record.json")}
        code, said = self(results, *arguments, **wish)
        assert code == 0, said
        assert self.table(results) == self.table(self.whole)
        assert {path: weights(path.parent) for path in done} == done
        assert not list((results / "toy").glob("runs/**/.*"))
        return said


def weights(folder: Path) -> int:
    """When a run's encoder was written."""
    return (folder / "encoder.safetensors").stat().st_mtime_ns


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("faults")
    study = folder / "toy.yaml"
    study.write_text(STUDY)
    (folder / "temporary").mkdir()
    places = {"AUGSTUDY_CACHE": "cache", "TORCHINDUCTOR_CACHE_DIR": "cache/torch", "TMPDIR": "temporary"}
    env = os.environ | {"OMP_NUM_THREADS": "1"} | {name: str(folder / place) for name, place in places.items()}
    command = [sys.executable, str(Path(__file__).with_name("driver.py"))]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=env) as driver:
        made = Laboratory(driver, study, folder / "whole", folder / "cache", folder / "temporary")
        code, said = made(made.whole, made.DRAWN, here=True)
        assert code == 0, said
        made.touched = frozenset(line for line in said.splitlines() if line.startswith("/"))
        yield made
        assert driver.stdin is not None
        driver.stdin.close()
