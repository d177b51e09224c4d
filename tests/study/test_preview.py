"""Sheets of a preview: what rows share is drawn once, and every row is named."""

import numpy as np
import pytest

from augstudy.study.compose import compose
from augstudy.study.pipeline import Laboratory
from augstudy.study.preview import SHOWN, sheets

HERE = "image: {name: hubble}\nprobe_data: {name: photos, settings: {train_per_class: 5, test_per_class: 5}}\n"
ROWS = """rows:
  - {label: random, method: random}
  - {label: rot, method: rotnet}
  - {label: mo, method: moco, view: {blur_p: 1}}
  - {label: fast, method: {name: rotnet, lr: 0.5}}
  - {label: still, method: rotnet, corpus: {rotation: 0}}
  - {label: top, method: supervised}
"""


@pytest.fixture
def drawn(write, tmp_path):
    return lambda *overrides, rows=ROWS: sheets(Laboratory(compose(write(HERE, rows=rows), overrides), tmp_path))


def test_rows_of_one_corpus_or_one_view_share_a_sheet_that_names_them(drawn):
    found = drawn()
    views = ": pairs of views"
    assert [label for label, _, _ in found] == [
        "rot; mo; fast: crops",
        f"rot; fast{views}",
        f"mo{views}",
        "still: crops",
        f"still{views}",
        "top: crops",
        f"top{views}",
    ]
    for _, pictures, texts in found:
        assert len(pictures) == len(texts) == SHOWN


def test_a_shared_sheet_is_that_of_each_of_its_rows(drawn):
    first, second = "{label: rot, method: rotnet}", "{label: fast, method: {name: rotnet, lr: 0.5}}"
    together = drawn(rows=f"rows: [{first}, {second}]\n")
    for row in (first, second):
        for (_, pictures, texts), (_, others, told) in zip(drawn(rows=f"rows: [{row}]\n"), together, strict=True):
            assert np.array_equal(pictures, others)
            assert texts == told


def test_a_sweep_of_the_method_draws_nothing_anew(drawn):
    found = drawn("method.lr=0.1,0.2", rows="rows: [{label: rot, method: rotnet}]\n")
    assert [label for label, _, _ in found] == [
        f"rot, method.lr=0.1; rot, method.lr=0.2: {what}" for what in ("crops", "pairs of views")
    ]


def test_a_corpus_of_few_crops_shows_those_it_has(drawn):
    found = drawn("corpus.count=7", "method.batch_size=4", rows="rows: [{label: rot, method: rotnet}]\n")
    assert [len(pictures) for _, pictures, _ in found] == [7, 2 * 7]


def test_small_views_have_a_sheet_of_their_own(drawn):
    row = '{label: multi, method: simclr, view: {name: multicrop, crops: "2x16 + 3x10"}}'
    (_, crops, _), (_, pairs, _), (label, small, texts) = drawn(rows=f"rows: [{row}]\n")
    assert label == "multi: further views"
    assert [len(pictures) for pictures in (crops, pairs, small)] == [SHOWN, SHOWN, SHOWN // 3 * 3]
    assert small.shape[1:3] == (10, 10)
    assert len(texts) == len(small)
    assert not np.array_equal(small[0], small[1])
