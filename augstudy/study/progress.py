"""What a person sees while a study runs: a bar on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from augstudy.show.base import with_protocol

__all__ = ["Meter", "Reporter", "Told"]

QUIET = 15.0  # seconds between two plain lines


class Told(Protocol):
    """What is told of each run of a study."""

    def begin(self, label: str, axes: str) -> None: ...

    def step(self, done: int, total: int, note: str) -> None: ...

    def end(self, record: dict[str, Any], main: dict[str, Any] | None = None) -> None: ...


class Reporter:
    """Tells how a study goes.

    Args:
        console: where to; a bar is drawn only if it is a terminal.
        bars: those of all runs that go on at the same time.
    """

    def __init__(self, console: Console, bars: Progress | None = None) -> None:
        self.console = console
        self.bars = bars or Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps  {task.fields[rate]}  {task.fields[note]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self.task: TaskID | None = None
        self.begun = self.spoken = 0.0
        self.first = 0

    def beside(self) -> "Reporter":
        """Another one, for a run that goes on at the same time."""
        return Reporter(self.console, self.bars)

    def study(self, name: str, runs: int, done: int, notes: list[str]) -> None:
        """At the beginning: how much there is to do, and what was substituted."""
        for note in notes:
            self.note(note)
        already = f", {done} already done" if done else ""
        self.console.print(f"study {escape(name)}: {runs} runs{already}")

    def note(self, text: str) -> None:
        """What a reader of the results must know."""
        self.console.print(f"[yellow]note:[/] {escape(text)}")

    def begin(self, label: str, axes: str) -> None:
        """A run starts."""
        self.begun = self.spoken = time.monotonic()
        self.first = -1
        self.label = label + (f" ({axes})" if axes else "")
        if self.console.is_terminal:
            self.task = self.bars.add_task(escape(self.label), total=None, rate="", note="")
            self.bars.start()

    def step(self, done: int, total: int, note: str) -> None:
        """Training goes on: steps done and in all, and a word on how it goes."""
        now = time.monotonic()
        if self.first < 0:
            self.first, self.begun = done, now
        rate = (done - self.first) / (now - self.begun) if now > self.begun else 0.0
        if self.task is not None:
            self.bars.update(self.task, completed=done, total=total, rate=f"{rate:.1f}/s", note=note)
        elif now - self.spoken >= QUIET and rate > 0:
            self.spoken = now
            left = (total - done) / rate
            line = f"{self.label}: step {done}/{total}, {rate:.1f} steps/s, {left:.0f} s left, {note}"
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def end(self, record: dict[str, Any], main: dict[str, Any] | None = None) -> None:
        """A run is over; the first metric of its main evaluation is told, layer by layer, or why it failed."""
        self.close()
        if record["status"] == "failed":
            self.console.print(f"{self.label}: FAILED, {record['reason']}", markup=False, style="red", soft_wrap=True)
            return
        line = f"{self.label}: {record['seconds']:.0f} s{found(main) if main else ''}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Take the bar away."""
        if self.task is not None:
            self.bars.remove_task(self.task)
            self.task = None
            if not self.bars.tasks:
                self.bars.stop()


def found(evaluation: dict[str, Any]) -> str:
    """`, linear (fast) top-1 %: conv1 51.3, conv2 53.3`: a probe, its first metric, and that of each layer."""
    metric = next((m["metric"] for m in evaluation["metrics"]), "")
    digits, name = (1, "top-1 %") if metric == "top1" else (3, metric)
    values = [(m["layer"], m["value"]) for m in evaluation["metrics"] if m["metric"] == metric]
    told = ", ".join(f"{layer} -" if value is None else f"{layer} {value:.{digits}f}" for layer, value in values)
    return f", {with_protocol(evaluation['probe'], evaluation.get('protocol'))} {name}: {told}"


class Meter:
    """How far one long piece of work has come, with its rate and the time left.

    Args:
        console: where to; a bar is drawn only if it is a terminal.
        what: the name of what is counted.
    """

    def __init__(self, console: Console, what: str) -> None:
        self.console, self.what = console, what
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}  {task.fields[note]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task(escape(what), total=None, rate="", note="")
        self.first = -1
        self.begun = self.spoken = time.monotonic()

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bar.stop()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """`done` of `total` (0: not known) are done, with a word; what was done before the first call is not fast."""
        now = time.monotonic()
        if self.first < 0:
            self.first, self.begun = done, now
        rate = (done - self.first) / (now - self.begun) if now > self.begun else 0.0
        self.bar.update(self.task, completed=done, total=total or None, rate=paced(rate), note=note)
        if not self.console.is_terminal and now - self.spoken >= QUIET and rate > 0:
            self.spoken = now
            left = f"/{total:,}, {paced(rate)}, {(total - done) / rate:.0f} s left" if total else f", {paced(rate)}"
            line = f"{self.what}: {done:,}{left}"
            line += f", {note}" if note else ""
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def paced(rate: float) -> str:
    """`1,234/s`, or `0.4/s` of what is slow."""
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
