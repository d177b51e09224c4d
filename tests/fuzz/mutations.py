"""Valid files bent a little, and a way to try them for as long as one likes."""

import faulthandler
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from augstudy.core.errors import UserError

CORPUS = Path(__file__).parent / "corpus"
SECONDS = float(os.environ.get("AUGSTUDY_FUZZ_SECONDS", "600"))  # of each test marked slow
STUCK = 240.0  # s of one input that cannot be interrupted: the process says where it is, and ends
HANG = 60.0  # s of one input; a busy machine is slow, a hang is for ever
NUMBERS = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\0\0\0",
    b"\1\0\0\0",
    b"\0\0\0\1",
)


class Hang(BaseException):
    """An input took too long; no `except Exception` stops it."""


def corpus(kind: str) -> list[bytes]:
    """The kept inputs of a kind: valid files, and those that once broke something."""
    return [path.read_bytes() for path in sorted((CORPUS / kind).iterdir())]


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes], words: Sequence[bytes] = NUMBERS) -> bytes:
    """A seed with bytes flipped, taken out, put in, repeated or taken from another seed."""
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(content)))
        length = draw(st.integers(1, 40))
        kind = draw(st.sampled_from(("flip", "cut", "end", "splice", "word", "over", "again")))
        if kind == "flip" and at < len(content):
            content[at] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del content[at : at + length]
        elif kind == "end":
            del content[at:]
        elif kind == "splice":
            other = draw(st.sampled_from(seeds))
            start = draw(st.integers(0, len(other)))
            content[at : at + draw(st.integers(0, 40))] = other[start : start + length]
        elif kind == "word":
            content[at:at] = draw(st.sampled_from(words))
        elif kind == "over":
            word = draw(st.sampled_from(words))
            content[at : at + len(word)] = word
        else:
            content[at:at] = bytes(content[at : at + length]) * draw(st.integers(1, 30))
    return bytes(content)


@cache
def values() -> st.SearchStrategy[Any]:
    """What may stand in YAML or JSON, sensible or not; made once, for hypothesis needs half a second for it."""
    words = ("moco", "A", "linear", "${seeds}", "${oc.env:HOME}", "${", "???", "conv1", "top1", "../x", 10**400)
    plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(words)
    names = st.text(max_size=6) | st.sampled_from(
        ("name", "label", "method", "data", "key", "metrics", "value", "count")
    )
    return st.recursive(
        plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
    )


@st.composite
def rewritten(draw: st.DrawFn, trees: Sequence[Any]) -> Any:
    """A tree of mappings and lists in which some nodes are replaced, removed or doubled."""
    tree = json.loads(json.dumps(draw(st.sampled_from(trees))))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(tree))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        kind = draw(st.sampled_from(("replace", "remove", "double", "rename")))
        if kind == "replace":
            holder[key] = draw(values())
        elif kind == "remove":
            del holder[key]
        elif isinstance(holder, list):
            holder.insert(key, holder[key])
        else:
            holder[draw(st.text(max_size=6)) if kind == "rename" else f"{key}{key}"] = holder[key]
    return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in entries:
        yield tree, key
        yield from _places(value)


def holds(attempt: Callable[[], object]) -> None:
    """A result or a UserError of two lines, in reasonable time; anything else fails the test."""
    with in_time(HANG):
        try:
            attempt()
        except UserError as error:
            text = str(error)
            assert len(text.split("\n")) == 2, text
            assert all(text.split("\n")), text
            assert text.encode()


def fuzz(check: Callable[[Any], None], inputs: st.SearchStrategy[Any], seconds: float, examples: int) -> int:
    """Try inputs for some time, at least `examples` of them; returns how many were tried."""
    end, tried = time.monotonic() + seconds, 0

    def counted(value: Any) -> None:
        nonlocal tried
        tried += 1
        # pytest's own limit is for a whole test; here it is for an input, whose decoder may hang where no signal gets
        faulthandler.dump_traceback_later(STUCK, exit=True, file=sys.__stderr__)
        check(value)

    for number in range(1 << 30):
        chosen = settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        seed(number)(chosen(given(inputs)(counted)))()
        if time.monotonic() >= end:
            break
    faulthandler.cancel_dump_traceback_later()
    return tried


@contextmanager
def in_time(seconds: float) -> Iterator[None]:
    """Raises Hang in the block when it takes longer; code in C that never returns is left to pytest's own limit."""

    def late(number: int, frame: FrameType | None) -> None:
        raise Hang(f"longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
