"""A study of 1,000 runs is read and its table is made in seconds, from records alone."""

import json
import os
import time

import pandas as pd
from pyarrow import csv

from augstudy.core.store import StudyFolder
from augstudy.show import table
from augstudy.show.base import load

from .synthetic import LINES, records_of, study_index, write_study

SECONDS = 20.0  # of CPU; it takes 2 on two cores that do nothing else, and 4 times as long on some that do


def test_a_thousand_runs_are_read_and_their_table_drawn_in_seconds_without_their_features(tmp_path, monkeypatch):
    index = study_index(LINES[1:5], (0, 1, 2, 3, 4), tuple(range(50)))
    assert len(index["runs"]) == 1000
    monkeypatch.setattr(os, "fsync", lambda file: None)  # 1,000 files are written here, which no reader waits for
    folder = write_study(StudyFolder(tmp_path / "many"), index, records_of(index))
    for run in index["runs"]:
        folder.run(run["hash"]).features.mkdir()
        (folder.run(run["hash"]).features / "conv1.npy").write_bytes(b"reading this would fail")
    start = time.process_time()
    results = load(folder)
    table.rich_table(results)
    table.write(results)
    assert time.process_time() - start < SECONDS
    assert len(results.records) == 1000

    frame = pd.read_csv(folder.table)
    assert len(frame) == len(results.frame) == csv.read_csv(folder.table).num_rows
    records = pd.read_json(folder.records, orient="index")
    assert set(records.index) == set(json.loads(folder.records.read_text()))
    assert (records["status"] == "finished").all()
