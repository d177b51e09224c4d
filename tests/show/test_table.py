"""Laws of the tables: the statistics against a second way of computing them, and what a reader must be told."""

import csv
import io

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from augstudy.core.store import StudyFolder
from augstudy.show.base import load
from augstudy.show.table import rich_table, summary, write

from .synthetic import LAYERS, LINES, accuracy, failed, records_of, study_index, write_study


def markdown(folder):
    write(load(folder))
    return folder.markdown.read_text(encoding="utf-8")


def cells(text, label):
    """The cells of the first table line that starts with this label."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {label} "))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_summary_is_the_t_interval_of_scipy(usual):
    table = summary(usual.frame).set_index(["label", "layer"])
    for row, (label, _, _) in enumerate(LINES):
        for depth, layer in enumerate(LAYERS):
            values = np.array([accuracy(row, depth, seed) for seed in (0, 1, 2)])
            got = table.loc[(label, layer)]
            interval = stats.t.interval(0.95, 2, loc=values.mean(), scale=stats.sem(values))
            np.testing.assert_allclose(got[["low", "high"]].astype(float), interval, rtol=1e-12)
            np.testing.assert_allclose([got["mean"], got["sd"]], [values.mean(), values.std(ddof=1)], rtol=1e-12)
            assert got["n"] == 3


def test_summary_keeps_the_order_of_the_study(usual):
    table = summary(usual.frame)
    assert list(dict.fromkeys(table["label"])) == [line[0] for line in LINES]
    assert table["layer"].tolist() == list(LAYERS) * len(LINES)


def test_one_seed_has_a_mean_and_nothing_about_its_spread(make):
    folder = make(study_index(LINES, (0,)))
    table = summary(load(folder).frame)
    assert (table["n"] == 1).all()
    assert table[["sd", "low", "high"]].isna().all(axis=None)
    assert cells(markdown(folder), "random") == ["random", "43.7", "43.8", "40.4", "36.6", "1"]


def test_values_of_a_sweep_are_never_averaged(make):
    table = summary(load(make(study_index(LINES[1:2], (0, 1), (0.07, 0.2)))).frame)
    assert table["method.temperature"].tolist() == [0.07] * 4 + [0.2] * 4
    assert (table["n"] == 2).all()


def test_a_row_that_an_axis_does_not_reach_has_a_dash_there(make):
    index = study_index(LINES[:2], (0, 1), (0.07, 0.2))
    index["runs"] = index["runs"][:2] + index["runs"][4:]
    for run in index["runs"][:2]:
        run["axes"] = {}
    text = markdown(make(index))
    assert cells(text, "random")[:2] == ["random", "-"]
    assert cells(text, "RotNet, 1 image")[:2] == ["RotNet, 1 image", "0.07"]
    assert cells(text[text.index("## Pretext task") :], "RotNet, 1 image")[1] == "0.07"


def test_csv_has_full_precision_and_equal_studies_give_equal_bytes(make):
    first, second = make(where="first/synthetic"), make(where="second/synthetic")
    for folder in (first, second):
        write(load(folder))
    assert first.table.read_bytes() == second.table.read_bytes()
    assert first.markdown.read_bytes() == second.markdown.read_bytes()
    lines = list(csv.DictReader(io.StringIO(first.table.read_text(encoding="utf-8"))))
    assert float(lines[0]["value"]) == accuracy(0, 0, 0)
    assert lines[12]["label"] == "RotNet, 1 image"  # the comma is quoted


def test_writing_twice_changes_nothing(make):
    results = load(make())
    write(results)
    before = results.folder.table.read_bytes(), results.folder.markdown.read_bytes()
    write(results)
    assert (results.folder.table.read_bytes(), results.folder.markdown.read_bytes()) == before


def test_markdown_says_that_fallbacks_were_used_and_how_to_make_it_again(make):
    text = markdown(make())
    assert "The image A that the study asks for was not at hand: retina was used instead." in text
    assert "Accuracies on the fallback are not comparable with CIFAR-10." in text
    assert "twelve kinds of photographs" in text
    assert "12 classes, 4,800 training and 1,200 test images" in text
    assert "augstudy run studies/synthetic.yaml" in text


def test_what_the_study_notes_of_its_rows_stands_beside_the_numbers(make):
    note = "RotNet, all images: 64 of 220 images are seen (corpus.count)."
    folder = make(study_index(LINES, (0,)) | {"notes": [note]})
    assert f"**Note.** {note}" in markdown(folder)
    console = Console(file=io.StringIO(), width=200)
    console.print(rich_table(load(folder)))
    assert note in console.file.getvalue()


def test_markdown_without_fallbacks_warns_of_nothing(make):
    index = study_index(LINES, (0,))
    index["image"] = {"asked": "A", "used": "A", "label": "A"}
    index["probe_data"] |= {"asked": "photos", "label": "photos"}
    assert "Note." not in markdown(make(index))


def test_markdown_tells_what_each_row_saw_and_how_long_it_took(make):
    index = study_index(LINES, (0, 1))
    text = markdown(make(index))
    training = text[text.index("## Training") : text.index("## Pretext task")]
    assert cells(training, "random") == ["random", "-", "-"]
    assert cells(training, "RotNet, 1 image") == ["RotNet, 1 image", "40,000", "1"]
    for run in index["runs"]:
        del run["samples"]  # as of a study written before it was told
    assert "## Training" not in markdown(make(index))


def test_markdown_has_the_pretext_task_with_its_chance(make):
    text = markdown(make())
    pretext = text[text.index("## Pretext task") :]
    assert cells(pretext, "RotNet, 1 image") == [
        *("RotNet, 1 image", "rotation accuracy (%)", "72.0 ± 1.0", "25", "higher", "3")
    ]
    assert "random" not in pretext


def test_best_competing_row_is_bold_and_references_never_are(make):
    text = markdown(make())
    assert all(cell.startswith("**") for cell in cells(text, "MoCo, full data")[1:5])
    assert text.count("**") == 2 * (4 + 2)  # four layers and the two notes


def test_failed_runs_are_named_and_shown_as_empty(tmp_path):
    index = study_index(LINES, (0, 1))
    records = records_of(index)
    for run in index["runs"][2:4]:
        records[run["hash"]] = failed(run)
    del records[index["runs"][0]["hash"]]
    text = markdown(write_study(StudyFolder(tmp_path / "synthetic"), index, records))
    assert cells(text, "RotNet, 1 image") == ["RotNet, 1 image", "-", "-", "-", "-", "0"]
    assert cells(text, "random")[-1] == "1"
    assert text.count("failed, loss became NaN at epoch 3") == 2
    assert "Runs: 9 finished, 2 failed, 1 unfinished." in text


def test_a_study_without_any_finished_run_still_has_its_tables(tmp_path):
    folder = write_study(StudyFolder(tmp_path), study_index(LINES, (0,)), {})
    text = markdown(folder)
    assert "No run has been evaluated yet." in text
    assert folder.table.read_text(encoding="utf-8").count("\n") == 1


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("a | b", r"a \| b"),
        ("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
        ("*bold* `code` [link]", r"\*bold\* \`code\` \[link\]"),
        ("single_image _it_", r"single_image \_it\_"),
        ("two\nlines & more", "two lines &amp; more"),
    ],
)
def test_a_label_can_break_neither_markdown_nor_html(make, label, shown):
    text = markdown(make(study_index(((label, "moco", "full"),), (0,))))
    assert f"| {shown} " in text


def test_terminal_table_shows_labels_as_they_are_and_no_number_is_cut_at_80_columns(make):
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(rich_table(load(make(study_index((("crops [bold]", "moco", "full"), *LINES), (0, 1, 2))))))
    text = console.export_text()
    assert "crops [bold]" in text
    assert "43.4 ±0.3" in text
    assert "…" not in text
    assert "not comparable" in " ".join(text.split())
