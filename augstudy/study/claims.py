"""A study's claims against its rows: what is misspelt is found before anything is trained."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import torch

from augstudy.core import registry
from augstudy.core.build import build
from augstudy.core.errors import UserError, nearest
from augstudy.learn.backbones.base import Backbone
from augstudy.show.claims import Side, pairs, read
from augstudy.study.plan import Run
from augstudy.study.spec import Study

__all__ = ["check_claims"]


def check_claims(study: Study, runs: Sequence[Run]) -> None:
    """Find every row, layer and metric that the claims of a study name.

    Args:
        runs: what the study expands to.

    Raises:
        UserError: names the claim by its place, the key, and the nearest right name.
    """
    rows = [run for run in runs if run.seed == study.seeds[0]]
    probe = next(iter(study.probes), "linear")
    for claim in read(study.claims, probe, list(study.sweep)):
        where = f"{study.said_in('claims')}: {claim.place}"
        _check_names(claim.side, f"{where}: {claim.kind}", study, rows)
        _check_names(claim.than, f"{where}: than", study, rows)
        for i, j in pairs(claim, [(run.label, run.axes) for run in rows]):
            _check_layer(claim.side, f"{where}: {claim.kind}", rows[i])
            _check_layer(claim.than, f"{where}: than", rows[j])
            if i == j and (claim.side.layer, claim.side.probe) == (claim.than.layer, claim.than.probe):
                what = f"{where}: row {rows[i].label!r} is compared with itself"
                raise UserError(what, "Give the two sides different labels, layers, probes or values of a sweep axis.")


def _check_names(side: Side, where: str, study: Study, rows: Sequence[Run]) -> None:
    _known(side.label, [run.label for run in rows], f"{where}: unknown row")
    own = [run for run in rows if run.label == side.label]
    for axis, value in side.axes.items():
        _known(value, [v for run in own for v in _values(run, axis, study)], f"{where}: {axis} is never")
    _known(side.probe, study.probes, f"{where}: unknown probe")
    probe = build(registry.find("evaluate.probes", side.probe), study.probes[side.probe], where)
    _known(side.metric, probe.measures(), f"{where}: probe {side.probe!r} has no metric")


def _values(run: Run, axis: str, study: Study) -> list[Any]:
    """Where on an axis a run stands: at all of its values, if the axis does not reach it."""
    return [run.axes[axis]] if axis in run.axes else study.sweep[axis]


def _check_layer(side: Side, where: str, run: Run) -> None:
    _known(side.layer, _layers(run.backbone), f"{where}: {run.backbone_name} has no layer")


@cache
def _layers(backbone: Backbone) -> list[str]:
    """A network's layers; asked once for all claims, for a hundred networks take seconds even without memory."""
    with torch.device("meta"):
        return backbone.encoder().names


def _known(word: Any, known: Iterable[Any], what: str) -> None:
    """Raises UserError unless a word is known; a change on the command line may have taken away what a claim names."""
    names = list(known)
    if word not in names:
        hint = nearest(str(word), {str(name) for name in names})
        raise UserError(f"{what} {word!r}", f"{hint}. To run without claims: claims=[]")
