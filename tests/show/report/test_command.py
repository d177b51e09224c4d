"""`augstudy report` and `augstudy figures` on a study that lies in a folder of its own."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from augstudy import cli
from augstudy.core.errors import UserError
from augstudy.show.base import load
from augstudy.show.table import write

from ..synthetic import LINES, study_index


@pytest.fixture
def clone(make):
    """A folder of results with records.json alone, and no figure."""
    folder = make(study_index(LINES[:3], (0, 1)) | {"figures": ["layer_curves"]}, where="results/toy")
    write(load(folder))
    for path in folder.path.glob("runs/*/record.json"):
        path.unlink()
    return folder


def call(*arguments):
    done = CliRunner().invoke(cli.app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_report_of_a_clone_draws_the_figures_that_are_not_there(clone):
    assert "report.html" in call("report", "toy", "--results", clone.path.parent)
    assert clone.report.exists()
    assert (clone.figures / "layer_curves.svg").exists()


def test_a_folder_can_be_named_by_its_path_and_the_page_placed_anywhere(clone, tmp_path):
    call("report", clone.path, "--out", tmp_path / "page.html")
    assert "How far does one image go?" in (tmp_path / "page.html").read_text()
    assert not clone.report.exists()


def test_studies_are_put_side_by_side(clone, tmp_path):
    call("report", clone.path, "--compare", clone.path, "--results", tmp_path)
    place = clone.path.parent.name  # of two studies of one name the folder is told
    page = (tmp_path / f"compare_{place}_toy_{place}_toy.html").read_text()
    assert page.count("How far does one image go?") == 2


def test_one_page_for_two_studies_is_refused_unless_they_are_compared(clone, tmp_path):
    with pytest.raises(UserError, match=r"--out .* is one page, and there are 2 studies"):
        call("report", clone.path, clone.path, "--out", tmp_path / "page.html")


def test_figures_are_written_in_the_formats_asked_for(clone):
    call("figures", clone.path, "--only", "layer_curves", "--format", "pdf")
    assert [path.name for path in clone.figures.iterdir()] == ["layer_curves.pdf"]


def test_a_report_needs_no_torch(clone):
    code = f"import sys; from augstudy import cli; cli.app(['report', {str(clone.path)!r}], standalone_mode=False)"
    code += "; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
