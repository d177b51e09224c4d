"""What a reader is told of the claims: in table.md, in claims.csv and on the terminal."""

import io

import pandas as pd
import pytest
from rich.console import Console

from augstudy.core.store import StudyFolder, write_yaml
from augstudy.show import verdicts
from augstudy.show.base import load
from augstudy.show.claims import read
from augstudy.show.table import rich_table, write

from .synthetic import LINES, failed, records_of, study_index, write_study


def claim(say, label, other="random"):
    return {"say": say, "greater": {"label": label, "layer": "conv2"}, "than": {"label": other}, "by": 1}


CLAIMS = [claim("teaching | helps", "supervised"), claim("chance wins", "random", "supervised")]


@pytest.fixture
def folder(make):
    return make(study_index(LINES, (0, 1, 2)) | {"claims": CLAIMS})


def section(folder):
    text = folder.markdown.read_text(encoding="utf-8")
    return text[text.index("## Claims") : text.index("## Training")]


def test_markdown_has_a_line_for_each_claim(folder):
    assert folder.claims in write(load(folder))
    lines = [line for line in section(folder).splitlines() if line.startswith("| ")]
    header, _, first, second = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines)
    assert header == ["claim", "verdict", "difference", "95 % interval", "bound", "n"]
    assert (first[0], first[1], first[-2:]) == (r"teaching \| helps", "holds", ["1", "3"])
    assert (second[0], second[1]) == ("chance wins", "contradicted")
    assert first[2].startswith("+1")
    assert first[2].endswith(" points")


def test_the_file_has_full_precision_and_the_same_verdicts(folder):
    write(load(folder))
    found = pd.read_csv(folder.claims, keep_default_na=False)
    assert found["verdict"].tolist() == ["holds", "contradicted"]
    assert found["difference"].sum() == pytest.approx(0, abs=1e-9)
    assert (found["low"] < found["difference"]).all()


def test_equal_results_give_equal_bytes(folder):
    write(load(folder))
    before = folder.claims.read_bytes()
    write(load(folder))
    assert folder.claims.read_bytes() == before


def test_a_claim_that_was_not_judged_says_why(tmp_path):
    index = study_index(LINES, (0, 1, 2)) | {"claims": CLAIMS[:1]}
    records = records_of(index)
    records[index["runs"][-1]["hash"]] = failed(index["runs"][-1])
    folder = write_study(StudyFolder(tmp_path), index, records)
    write(load(folder))
    assert "not shown" in section(folder)
    said = section(folder)
    assert r"- Not judged (supervised, seed 2: failed, loss became NaN at epoch 3): teaching \| helps." in said


def test_a_reason_that_claims_share_is_said_once(make):
    folder = make(study_index(LINES, (0,)) | {"claims": CLAIMS})
    write(load(folder))
    assert section(folder).count("1 seed in common") == 1
    assert "- No claim was judged: 1 seed in common, an interval needs two." in section(folder)
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(rich_table(load(folder)))
    assert " ".join(console.export_text().split()).count("1 seed in common") == 1


def test_claims_that_share_a_reason_stand_behind_it(tmp_path):
    claims = [claim("one", "supervised"), claim("two", "supervised"), claim("three", LINES[1][0])]
    index = study_index(LINES, (0, 1, 2)) | {"claims": claims}
    records = records_of(index)
    records[index["runs"][-1]["hash"]] = failed(index["runs"][-1])
    folder = write_study(StudyFolder(tmp_path), index, records)
    write(load(folder))
    assert "- Not judged (supervised, seed 2: failed, loss became NaN at epoch 3): one; two." in section(folder)


def test_file_and_terminal_show_the_same_verdicts_judged_once(folder, monkeypatch):
    judged = []
    monkeypatch.setattr(verdicts, "read", lambda *args: judged.append(args) or read(*args))
    results = load(folder)
    write(results)
    rich_table(results)
    assert len(judged) == 1
    write(load(folder))  # other results, read anew
    assert len(judged) == 2


def test_the_file_goes_when_the_claims_go(folder):
    write(load(folder))
    write_yaml(folder.index, study_index(LINES, (0, 1, 2)))
    assert folder.claims not in write(load(folder))
    assert not folder.claims.exists()
    assert "## Claims" not in folder.markdown.read_text(encoding="utf-8")


def test_the_terminal_shows_them_below_the_table_at_80_columns(folder):
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(rich_table(load(folder)))
    text = console.export_text()
    assert text.index("linear, top-1") < text.index("Claims")
    for words in ("teaching", "helps", "holds", "contradicted", "95 % interval", " points", " to +"):
        assert words in text
    assert "…" not in text
