"""What a report says of a study, as plain values for its templates."""

from typing import Any

import numpy as np
import pandas as pd

from augstudy.show.base import Results, Row
from augstudy.show.claim_table import HEADER, cells, reasons
from augstudy.show.costs import facts, samples, seconds
from augstudy.show.report.cautions import cautions
from augstudy.show.report.plates import plates
from augstudy.show.report.sparks import trainings
from augstudy.show.table import ASIDE, measure, summary
from augstudy.show.verdicts import judge

__all__ = ["told"]


def told(results: Results) -> dict[str, Any]:
    """Everything that is said of one study."""
    shown = plates(results)
    grids = _grids(results)
    return {
        "name": str(results.index["study"]),
        "title": results.title,
        "question": str(results.index.get("question") or ""),
        "counts": {state: count for state, count in results.counts.items() if count},
        "scale": str(results.index.get("scale", "-")),
        "notes": [s for s in (results.image_sentence, results.probe_sentence) if s],
        "warnings": results.warnings,
        "gaps": results.gaps,
        "claims": _claims(results),
        "main": shown[0] if shown else None,
        "figures": [plate for plate in shown[1:] if not plate.gallery],
        "galleries": [plate for plate in shown[1:] if plate.gallery],
        "grids": grids,
        "trainings": trainings(results),
        "cautions": cautions(results),
        "command": results.command,
        "provenance": _provenance(results),
        "runs": _runs(results),
        "costs": _costs(results),
    }


def _claims(results: Results) -> dict[str, Any] | None:
    claims = judge(results)
    if claims.empty:
        return None
    lines = [dict(zip(HEADER, cells(line), strict=True)) for line in claims.itertuples()]
    verdicts = claims["verdict"].value_counts(sort=False)
    return {"lines": lines, "reasons": list(reasons(claims)), "verdicts": dict(verdicts.items())}


def _grids(results: Results) -> list[dict[str, Any]]:
    """A table for each probe and metric: every row of the study by its layers."""
    table = summary(results.frame)
    table = table[~table["metric"].isin(ASIDE)]
    pairs = list(table[["probe", "metric"]].drop_duplicates().itertuples(index=False, name=None))
    return [_grid(results, table[(table["probe"] == probe) & (table["metric"] == metric)]) for probe, metric in pairs]


def _grid(results: Results, part: pd.DataFrame) -> dict[str, Any]:
    keys = part[["label", *results.axes]].itertuples(index=False, name=None)
    found = {(*key, line.layer): line for key, line in zip(keys, part.itertuples(), strict=True)}
    layers = [layer for layer in results.layers if layer in set(part["layer"])]
    layers += [layer for layer in dict.fromkeys(part["layer"]) if layer not in layers]  # what is not of a layer
    largest = part["mean"].abs().max()
    digits = 1 if largest >= 10 else 2 if largest >= 1 else 3
    rows = [row for row in results.rows if any((*row.key, layer) in found for layer in layers)]
    probe, metric = part["probe"].iloc[0], part["metric"].iloc[0]
    best = _best(rows, layers, found) if metric.startswith("top") else set()
    return {
        "probe": probe,
        "metric": metric,
        "heading": f"{results.shown(probe)}: {measure(metric)}",
        "axes": results.axes,
        "layers": layers,
        "several": bool((part["n"] > 1).any()),
        "rows": [
            {
                "label": row.label,
                "values": ["-" if value == "" else value for value in row.values],
                "cells": [_cell(found.get((*row.key, layer)), digits, (row.key, layer) in best) for layer in layers],
                "n": _n([found[*row.key, layer].n for layer in layers if (*row.key, layer) in found]),
            }
            for row in rows
        ],
    }


def _n(counts: list[int]) -> str:
    return str(max(counts)) if len(set(counts)) == 1 else f"{min(counts)}-{max(counts)}"


def _best(rows: list[Row], layers: list[str], found: dict[Any, Any]) -> set[Any]:
    """(row, layer) of the highest mean of each layer among rows that compete; none where only one does."""
    competing = [row for row in rows if not row.is_reference]
    best = set()
    for layer in layers:
        means = {row.key: found[*row.key, layer].mean for row in competing if (*row.key, layer) in found}
        if len(means) > 1:
            best |= {(key, layer) for key, mean in means.items() if mean == max(means.values())}
    return best


def _cell(line: Any, digits: int, best: bool) -> dict[str, Any]:
    if line is None or not np.isfinite(line.mean):
        return {"text": "-", "order": "", "interval": "", "best": False}
    spread = f" ± {line.sd:.{digits}f}" if np.isfinite(line.sd) else ""
    interval = f"{line.low:.{digits}f} to {line.high:.{digits}f}" if np.isfinite(line.low) else ""
    return {"text": f"{line.mean:.{digits}f}{spread}", "order": line.mean, "interval": interval, "best": best}


def _provenance(results: Results) -> list[tuple[str, str]]:
    """(what, value) of all that the numbers come from, each value once."""
    own = list(facts(results).values())
    image = results.index.get("image") or {}
    dates = sorted(str(run["date"])[:10] for run in own if run.get("date"))
    versions = {f"{name} {version}" for run in own for name, version in (run.get("versions") or {}).items()}
    said = {
        "image": ", ".join(str(image[key]) for key in ("used", "credit", "licence") if image.get(key)),
        "SHA-256 of the image": str(image.get("sha256") or ""),
        "probe data": str((results.index.get("probe_data") or {}).get("note") or ""),
        "scale": str(results.index.get("scale") or ""),
        "device": _listed(run.get("device") for run in own),
        "threads": _listed(run.get("threads") for run in own),
        "precision": _listed(run.get("precision") for run in own),
        "commit": _listed(run.get("commit") for run in own),
        "versions": ", ".join(sorted(versions)),
        "trained": " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else "",
    }
    return [(what, value) for what, value in said.items() if value]


def _listed(values: Any) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values if value is not None))


def _runs(results: Results) -> list[dict[str, Any]]:
    own = facts(results)
    return [
        {
            "row": row.name,
            "seed": run["seed"],
            "hash": run["hash"],
            "status": results.status(run),
            "seconds": (results.records.get(run["hash"]) or {}).get("seconds"),
            "commit": str(own.get(run["hash"], {}).get("commit", "-"))[:10],
            "date": str(own.get(run["hash"], {}).get("date", "-"))[:16].replace("T", " "),
        }
        for row in results.distinct_rows
        for run in row.runs
    ]


def _costs(results: Results) -> dict[str, Any]:
    """Seconds of training: of each row, and of all together."""
    rows = [(row, took) for row in results.distinct_rows if (took := seconds(results, row))]
    total = sum(sum(took) for _, took in rows)
    return {
        "rows": [
            {
                "row": row.name,
                "runs": len(took),
                "samples": samples(row),
                "mean": float(np.mean(took)),
                "all": sum(took),
            }
            for row, took in rows
        ],
        "total": total,
    }
