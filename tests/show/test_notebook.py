"""Results in a notebook: the same numbers, objects that show themselves, and the tutorial that runs."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import augstudy
from augstudy.core.errors import UserError
from augstudy.core.store import StudyFolder
from augstudy.show.base import Results
from augstudy.show.notebook import StudyResults
from augstudy.show.table import summary, write

from .synthetic import LAYERS, LINES, records_of, study_index, write_study

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.ipynb"


@pytest.fixture
def study(usual: Results) -> StudyResults:
    return StudyResults(usual)


def test_the_table_is_rows_by_layers_in_the_order_of_the_study(study, usual):
    table = study.table
    assert list(table.index) == [line[0] for line in LINES]
    assert list(table.columns) == list(LAYERS)
    assert table.columns.name == "linear, top-1 accuracy (%)"
    np.testing.assert_array_equal(table.to_numpy().ravel(), summary(usual.frame)["mean"])


def test_sweep_axes_are_in_the_index(crossed):
    table = StudyResults(crossed).table
    assert table.index.names == ["label", "method.temperature", "view.strength"]
    assert table.shape == (12, 4)
    assert table.index[1] == (LINES[1][0], 0.07, 2)


def test_results_show_themselves_and_escape_what_they_say(tmp_path):
    index = study_index((("<script>", "rotnet", "single_image"),), (0,)) | {"title": "a < b"}
    shown = augstudy.load(write_study(StudyFolder(tmp_path), index, records_of(index)).path)._repr_html_()
    assert "<h3>a &lt; b</h3>" in shown
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_a_drawing_shows_itself_with_words_in_its_place(study):
    drawing = study.figure("layer_curves")
    shown = drawing._repr_html_()
    assert shown.startswith('<img src="data:image/png;base64,')
    assert 'alt="layer curves: Top-1 accuracy (%) of linear probe' in shown
    assert drawing.caption.endswith("1,200 test images.")
    assert drawing.matplotlib.axes[0].get_ylabel() == "top-1 accuracy (%)"


def test_what_is_handed_out_can_be_changed_without_harm(study, usual):
    frame, claims = study.frame, study.claims
    frame["value"], claims["n"] = 0, 0
    assert usual.frame["value"].ne(0).all()


def test_a_folder_without_records_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="no results of study 'nothing'"):
        augstudy.load(tmp_path / "nothing")
    write_study(StudyFolder(tmp_path / "clone"), study_index(LINES, (0,)), {})
    with pytest.raises(UserError, match="has no record of a run"):
        augstudy.load(tmp_path / "clone")


def test_the_tutorial_runs_in_a_clone(tmp_path, monkeypatch, make):
    """On records.json alone: the repository's, or a synthetic study's where it has none."""
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: pip install -e '.[dev]'")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install -e '.[dev]'")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed: pip install -e '.[dev]'")
    clone = tmp_path / "clone" / "results" / "single_image_A"
    published = TUTORIAL.parents[1] / "results" / "single_image_A"
    if (published / "records.json").exists():
        shutil.copytree(published, clone)
    else:
        folder = make(where="clone/results/single_image_A")
        write(augstudy.load(folder.path).results)
    for path in clone.glob("runs/*/record.json"):
        path.unlink()
    (tmp_path / "clone" / "docs").mkdir()
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TUTORIAL.parents[1]), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(TUTORIAL, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("import sys; 'torch' in sys.modules"))
    place = {"metadata": {"path": str(tmp_path / "clone" / "docs")}}
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=place).execute()
    outputs = [cell.outputs[0].data for cell in notebook.cells if cell.cell_type == "code"]
    assert outputs[-1]["text/plain"] == "False"
    assert "text/html" in outputs[0]
    assert sum("image/png" in data for data in outputs) == 2
