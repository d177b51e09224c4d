"""Every op against torchvision and kornia from the same parameters, and the table in docs/ that says so."""

import re
from pathlib import Path

import pytest

from augstudy.augment.base import ColorOp
from augstudy.augment.views.ops import catalogue
from augstudy.bench.references.parity import CASES, measure

TABLE = Path(__file__).parents[3] / "docs" / "parity.md"
COLOUR, GEOMETRY = 2 / 255, 1 / 255  # differences allowed


def title(case):
    return "-".join((*case.ops, *map(str, case.settings.values())))


@pytest.mark.parametrize("case", CASES, ids=title)
def test_an_op_is_torchvisions_and_kornias(case):
    bound = COLOUR if isinstance(case.parts[0], ColorOp) else GEOMETRY
    for difference in measure(case):
        assert difference is None or difference <= bound


def test_every_op_is_compared_or_says_why_not():
    assert {name for case in CASES for name in case.ops} == set(catalogue())
    assert all(case.torchvision or case.kornia or case.note for case in CASES)


def test_the_table_lists_every_case_and_keeps_its_bounds():
    rows = [line.strip("| \n").split(" | ") for line in TABLE.read_text(encoding="utf-8").splitlines() if " | " in line]
    found = {(row[0], row[-1] if len(row) == 4 else ""): row for row in rows[1:]}
    for case in CASES:
        row = found[(" + ".join(case.ops), case.note)]
        for figure, reference in zip(row[1:3], (case.torchvision, case.kornia), strict=True):
            assert (figure == "-") == (reference is None)
            assert reference is None or float(figure) <= 2
    assert re.search(r"python -m augstudy\.bench\.references\.parity", TABLE.read_text(encoding="utf-8"))
