"""What the diagnostics of a training warn of: each rule with the reason for its bound."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from augstudy.show.base import Results
from augstudy.show.costs import facts
from augstudy.show.curves import LOSS, curves
from augstudy.show.table import BEST_AT_CHANCE

__all__ = ["COLLAPSED_NATS", "Caution", "at_the_end", "cautions"]

# A healthy embedding's coordinates have a standard deviation near 1 / sqrt(D), a collapsed one's near 0 (Chen and He,
# "Exploring Simple Siamese Representation Learning", CVPR 2021, figure 2); a tenth of it is no longer healthy.
COLLAPSED = 0.1
# DINO without momentum and with centering, where the paper has a collapse, ended at 0.000 to 0.001 nats in trainings of
# seconds; those that did not collapse ended at 0.03 and more. Minutes are told by the other rules: there it rose again.
COLLAPSED_NATS = 0.01
SAID = "information in what is said"
HALF = 50.0  # per cent of crops in one cluster
ALIKE = 25.0  # per cent of pairs of any two crops that share their prototype: then one holds about half of all crops
CONSTANT = 10.0  # per cent of a layer's features; a few units that are never on are usual behind a ReLU
CUE = 5.0  # points above chance on pictures that have no up: more than the sampling error of a thousand crops

_FOOLED_NEVER = 99.0  # per cent: a discriminator that is never fooled gives the generator no gradient


@dataclass(frozen=True)
class Caution:
    """Something in one run's diagnostics that a reader of its numbers should know.

    Args:
        row, seed: of the run.
        kind: "failed", "not a number", "collapse", "task too easy", "empty clusters", "shortcut", "constant
            features" or "not learnt".
        words: one sentence.
    """

    row: str
    seed: int
    kind: str
    words: str


def cautions(results: Results) -> list[Caution]:
    """All of a study, in the order of its rows and seeds."""
    table = curves(results)
    own, parts = facts(results), dict(iter(table.groupby("hash", sort=False)))
    return [
        Caution(row.name, run["seed"], kind, words)
        for row in results.distinct_rows
        for run in row.runs
        for kind, words in _of_run(results, run, parts.get(run["hash"], table.iloc[:0]), own.get(run["hash"], {}))
    ]


def _of_run(
    results: Results, run: dict[str, Any], curve: pd.DataFrame, facts: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    if results.status(run) == "failed":
        yield "failed", f"{results.records[run['hash']].get('reason') or 'no reason recorded'}."
    yield from _constant(results, run)
    for metric, values in curve.groupby("metric", sort=False)["value"]:
        if not values.map(math.isfinite).all():
            yield "not a number", f"{metric} is not finite in an epoch."
        if metric == SAID and values.min() < COLLAPSED_NATS <= values.iloc[-1]:
            epoch = int(curve.loc[values.idxmin(), "epoch"])
            yield "collapse", f"in epoch {epoch} the network said the same of every picture; it came out of that."
    yield from at_the_end(results.records.get(run["hash"], {}).get("pretext") or [], facts)


def at_the_end(diagnostics: Iterable[dict[str, Any]], facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a run's last diagnostics warn of, as kind and words.

    Args:
        diagnostics: metric, value, chance, better and unit of each.
        facts: of the run, as in its `run.yaml`.
    """
    for entry in diagnostics:
        metric, value = entry["metric"], entry["value"]
        if value is None or not math.isfinite(value):
            yield "not a number", f"{metric} is not finite at the end."
            continue
        yield from _named(metric, value, entry, facts)
        if not _is_better(entry) and metric not in BEST_AT_CHANCE:
            chance = f"{entry['chance']:.3g}"
            yield "not learnt", f"{metric} ended at {value:.3g}, no better than chance ({chance})."


def _constant(results: Results, run: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Layers of which the probe could not use a good part."""
    frame = results.frame
    mine = frame[(frame["metric"] == "constant") & (frame["label"] == run["label"]) & (frame["seed"] == run["seed"])]
    for axis, value in run["axes"].items():
        mine = mine[mine[axis] == value]
    for layer, share in mine[mine["value"] > CONSTANT][["layer", "value"]].itertuples(index=False):
        yield "constant features", f"{share:.0f} % of the features at {layer} are the same for all training images."


def _named(metric: str, value: float, entry: dict[str, Any], facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Rules for diagnostics by name."""
    if metric == "std of embeddings":
        dims = ((facts.get("config") or {}).get("method") or {}).get("dim")
        healthy = 1 / math.sqrt(dims) if dims else 0.1
        if value < COLLAPSED * healthy:
            yield "collapse", f"the embeddings' standard deviation is {value:.2g}, a healthy one is near {healthy:.2g}."
    if metric == SAID and value < COLLAPSED_NATS:
        yield "collapse", f"the network says the same of every picture ({value:.2g} nats tell them apart)."
    if metric == "views with the same prototype" and entry["chance"] > ALIKE:
        yield (
            "collapse",
            f"any two pictures share their prototype in {entry['chance']:.0f} % of cases.",
        )
    if metric == "largest cluster" and value > HALF:
        yield "collapse", f"one cluster holds {value:.0f} % of the crops."
    if metric == "task too easy" and value:
        yield "task too easy", "nearly every positive comes first, so the loss has next to nothing to teach."
    if metric.startswith("empty clusters") and value:
        yield "empty clusters", f"{value:.3g} {metric} in the last epoch."
    if metric.endswith("on noise") and value > entry["chance"] + CUE:
        told = f"{metric} is {value:.0f} % (chance {entry['chance']:.3g} %)"
        yield "shortcut", f"{told}: borders, interpolation or colour fringes give the answer away."
    if metric in BEST_AT_CHANCE and value > _FOOLED_NEVER:
        yield "not learnt", f"the {metric} is {value:.1f} %: the generator never fools the discriminator."


def _is_better(entry: dict[str, Any]) -> bool:
    """Whether a number is better than chance; where chance is 0 or lower is better than any chance, nothing is said."""
    chance = entry.get("chance")
    if not chance or entry["metric"] == LOSS:
        return True
    if entry.get("better", "higher") == "higher":
        return bool(entry["value"] > chance)
    judged = entry.get("unit") == "nats"  # of what should be low, only losses are expected to fall below chance
    return not judged or bool(entry["value"] < chance)
