"""Whatever a file holds: a result, or two lines that name it; no crash, no traceback, no hang.

The tests marked slow go on for AUGSTUDY_FUZZ_SECONDS each (600 unless told).
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import strategies as st

from augstudy.core.records import read_record, read_records
from augstudy.core.store import RunFolder, StudyFolder
from augstudy.data.images import decode_image
from augstudy.data.preflight import fault
from augstudy.show.base import load
from augstudy.study.compose import compose, presets
from augstudy.study.plan import expand

from .mutations import SECONDS, corpus, fuzz, holds, mutated, rewritten

TOKENS = tuple(
    token.encode()
    for token in (
        *("${", "}", "${oc.env:HOME}", "&a ", "*a", "<<: *a", "!!python/object:os.system ", "!!binary x", "!!set {a}"),
        *(
            "? ",
            "- ",
            ": ",
            "{",
            "[",
            "'",
            '"',
            "#",
            "|",
            ">",
            "%",
            "@",
            "\t",
            "\n",
            "\0",
            "\x85",
            "\ufeff",
            "null",
            ".nan",
        ),
        *(
            "1e400",
            "2001-99-99",
            "0x",
            "~",
            "!!timestamp x",
            "!!bool x",
            "\ud7ff",
            "9" * 5000,
            "[" * 3000,
            "_self_",
            "???",
        ),
    )
)
usual_presets = cache(presets)


@pytest.fixture(autouse=True)
def small_images_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGSTUDY_MAX_PIXELS", "1000000")


def image(content: bytes) -> None:
    by_head = fault(content, "the file", whole=False)

    def attempt() -> None:
        x = decode_image(content, "the file")
        assert x.dtype == torch.uint8
        assert x.ndim == 3
        assert x.shape[0] == 3
        assert x.numel()
        assert by_head is None, f"its head is refused, its pixels are not: {by_head}"

    holds(attempt)


def study_in(path: Path) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        path.write_bytes(value if isinstance(value, bytes) else yaml.safe_dump(value, allow_unicode=True).encode())
        holds(lambda: expand(compose(path), usual_presets()))

    return check


def studies() -> st.SearchStrategy[Any]:
    texts = corpus("studies")
    return mutated(texts, TOKENS) | rewritten([yaml.safe_load(text) for text in texts if text.startswith(b"#")])


INDEX = {
    "study": "toy",
    "title": "",
    "axes": [],
    "figures": [],
    "claims": [],
    "notes": [],
    "probes": [{"key": "9d301b5119ef", "name": "linear", "protocol": "fast"}],
    "runs": [
        {"label": "random", "method": "random", "data": "none", "image": "-", "seed": 0, "axes": {}, "hash": "abc"},
    ],
}


def record_in(folder: Path) -> Callable[[Any], None]:
    study = StudyFolder(folder)
    study.path.mkdir(parents=True, exist_ok=True)
    study.index.write_text(yaml.safe_dump(INDEX))
    run = RunFolder(study.run("abc").path)
    run.path.mkdir(parents=True, exist_ok=True)

    def check(value: Any) -> None:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        run.record.write_bytes(content)
        holds(lambda: read_record(run.record))
        holds(lambda: load(study).layers)
        study.records.write_bytes(b'{"other": ' + content + b', "abc": ' + content + b"}")
        run.record.unlink()
        holds(lambda: read_records(study, ["abc"]))

    return check


def records() -> st.SearchStrategy[Any]:
    texts = corpus("records")
    trees = [json.loads(text) for text in texts if text.startswith(b"{\n")]
    return mutated(texts, (b"[" * 3000, b"NaN", b"1e999", b'"\\ud800"', b"null", b"{", b"]", b"9" * 5000)) | rewritten(
        trees
    )


@pytest.fixture
def checks(tmp_path: Path) -> dict[str, tuple[Callable[[Any], None], Any, int]]:
    return {
        "images": (image, mutated(corpus("images")), 60),
        "studies": (study_in(tmp_path / "toy_study.yaml"), studies(), 6),
        "records": (record_in(tmp_path / "toy"), records(), 40),
    }


KINDS = ("images", "studies", "records")
quiet = pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of metadata that nobody uses


@quiet
@pytest.mark.parametrize("kind", KINDS)
def test_every_kept_input_keeps_the_contract(checks, kind):
    for content in corpus(kind):
        checks[kind][0](content)


@quiet
@pytest.mark.parametrize("kind", KINDS)
def test_bent_inputs_keep_the_contract(checks, kind):
    check, inputs, examples = checks[kind]
    assert fuzz(check, inputs, 0, examples) >= examples / 2


@pytest.mark.slow
@quiet
@pytest.mark.parametrize("kind", KINDS)
def test_bent_inputs_keep_the_contract_for_long(checks, kind, capsys):
    check, inputs, _ = checks[kind]
    tried = fuzz(check, inputs, SECONDS, 50)
    with capsys.disabled():
        print(f"\n{kind}: {tried:,} inputs in {SECONDS:.0f} s")
