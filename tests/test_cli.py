"""The command line: help, and the contract for errors: exit code 2, two lines on stderr, no traceback."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from augstudy import cli

COMMANDS = ("run", "check", "preview", "crops", "table", "figures", "filters", "stylize", "neurons", "data")
STUDY = """defaults: [/study, /scale: smoke, _self_]
image: {name: hubble}
probe_data: {name: photos}
rows:
  - {label: random, method: random}
  - {label: rot, method: rotnet}
"""


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """`call("run", path)` -> exit code, stdout, stderr of the real entry point, results under tmp_path."""

    def called(*words):
        monkeypatch.setattr(sys, "argv", ["augstudy", *map(str, words)])
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return caught.value.code or 0, captured.out, captured.err

    return called


def test_help_names_every_command_and_says_what_each_is_for():
    runner = CliRunner()
    whole = runner.invoke(cli.app, ["--help"])
    assert whole.exit_code == 0
    for command in COMMANDS:
        assert command in whole.output
        own = runner.invoke(cli.app, [command, "--help"])
        assert own.exit_code == 0
        assert "Usage" in own.output
    assert "--results" in runner.invoke(cli.app, ["run", "--help"]).output
    assert "--dry-run" in runner.invoke(cli.app, ["run", "--help"]).output


def test_the_version_is_that_of_the_package():
    assert CliRunner().invoke(cli.app, ["--version"]).output == f"augstudy {version('augstudy')}\n"


def test_run_and_check_come_first_in_the_help():
    text = CliRunner().invoke(cli.app, ["--help"]).output
    first = [line.strip("│ ").split(" ")[0] for line in text[text.index("Commands") :].splitlines()]
    assert [word for word in first if word in COMMANDS][:2] == ["run", "check"]
    assert "What do augmentations teach" in text


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["run", "--help"], 0),
        (["run", "nothing.yaml"], 2),
        (["check", "nothing.yaml"], 2),
        (["check", "broken.yaml"], 2),
        (["preview", "nothing.yaml"], 2),
        (["table", "nothing"], 2),
        (["figures", "nothing"], 2),
        (["bench", "nothing"], 2),
        (["data", "list"], 0),
    ],
)
def test_what_needs_no_libraries_waits_for_none(words, code, tmp_path):
    """In a process of its own, for torch is here already."""
    (tmp_path / "broken.yaml").write_text("rows: [")
    heavy = ("torch", "torchvision", "kornia", "lightly", "hydra", "matplotlib", "pandas", "scipy")
    script = (
        f"import sys\nsys.argv = ['augstudy', *{words!r}]\nfrom augstudy.cli import main\ntry:\n    main()\n"
        f"except SystemExit as stop:\n    print([m for m in {heavy!r} if m in sys.modules], stop.code or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.stdout.splitlines()[-1] == f"[] {code}", done.stderr


def test_a_table_needs_neither_matplotlib_nor_the_slow_half_of_scipy():
    script = "import sys, augstudy.show.table\nprint([m for m in ('matplotlib', 'scipy.stats') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stdout == "[]\n", done.stderr


def wrong(tmp_path, study):
    """Mistakes, each with the words that stderr must name."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    occupied = tmp_path / "occupied"
    occupied.write_text("a file")
    other = tmp_path / "other.yaml"
    other.write_text(STUDY.replace("method: rotnet", "method: rotnett"))
    claiming = tmp_path / "claiming.yaml"
    claiming.write_text(STUDY + "claims: [{say: so, greater: {label: rott, layer: conv1}, than: {label: random}}]\n")
    misspelt = tmp_path / "misspelt.yaml"
    misspelt.write_text(STUDY + "sede: [0]\nfigurs: []\n")
    unclosed = tmp_path / "unclosed.yaml"
    unclosed.write_text(STUDY.partition("  - ")[0].replace("rows:", "rows: ["))
    return {
        "a missing study": (["run", tmp_path / "nothing.yaml"], ["nothing.yaml"]),
        "a list": (["run", broken.parent], [str(tmp_path)]),
        "nonsense": (["run", study, "scale=smoke", "method.nonsense=1"], ["method.nonsense"]),
        "unknown method": (["run", other], ["rows[1] (rot)", "rotnett", "'rotnet'"]),
        "misspelt key": (["run", misspelt], ["misspelt.yaml", "sede"]),
        "a claim about no row": (["run", claiming], ["claims[0]: greater", "'rott'", "'rot'"]),
        "misspelt override": (["run", study, "veiw.size=3"], ["veiw.size", "'view'"]),
        "wrong type": (["run", study, "method.epochs=many"], ["override method.epochs=many: rows[1] (rot)", "epochs"]),
        "unknown scale": (["run", study, "scale=smok"], ["override 'scale=smok'", "'smoke'"]),
        "no YAML": (["check", unclosed], [f"{unclosed}:4:8", "rows: ["]),
        "results is a file": (["run", study, "--results", occupied], [str(occupied), "--results"]),
        "check: results is a file": (["check", study, "--results", occupied], [str(occupied)]),
        "unreadable image": (["run", study, f"image={broken}"], [str(broken)]),
        "missing image": (["run", study, f"image={tmp_path / 'no.png'}"], ["no.png"]),
        "image without network": (["run", study, "image=A"], ["'A'", "fallback"]),
        "check: missing study": (["check", study, tmp_path / "nothing.yaml"], ["nothing.yaml"]),
        "check: an override": (["check", study, "method.nonsense=1"], ["method.nonsense"]),
        "preview: unreadable image": (["preview", study, f"image={broken}"], [str(broken)]),
        "dry run: unreadable image": (["run", study, f"image={broken}", "--dry-run"], [str(broken)]),
        "table without results": (["table", study], ["toy"]),
        "figures without results": (["figures", "toy"], ["toy"]),
        "table in a file": (["table", "toy", "--results", occupied], ["occupied"]),
    }


@pytest.mark.parametrize(
    "mistake",
    [
        *("a missing study", "a list", "nonsense", "unknown method", "misspelt key", "misspelt override"),
        *("a claim about no row", "unknown scale", "no YAML"),
        *("wrong type", "results is a file", "check: results is a file", "unreadable image", "missing image"),
        *("image without network", "check: missing study", "check: an override", "preview: unreadable image"),
        *("dry run: unreadable image", "table without results", "figures without results", "table in a file"),
    ],
)
def test_a_mistake_is_two_lines_and_exit_code_2(mistake, call, tmp_path, study):
    arguments, words = wrong(tmp_path, study)[mistake]
    code, _, err = call(*arguments)
    assert code == 2
    lines = err.splitlines()
    assert len(lines) == 2, err
    assert lines[0].startswith("error: ")
    assert all(line.strip() for line in lines)
    assert "Traceback" not in err
    for word in words:
        assert str(word) in err


def test_a_mistake_leaves_no_results_behind(call, study, tmp_path):
    call("run", study, "method.nonsense=1")
    assert not (tmp_path / "results").exists()


def test_brackets_in_a_name_are_not_taken_for_markup(call, tmp_path):
    _, _, err = call("run", tmp_path / "[red]no.yaml")
    assert "[red]no.yaml" in err


def test_the_error_contract_holds_for_the_installed_command(tmp_path):
    """Once for real: in a process of its own, with whatever libraries print at their import."""
    done = subprocess.run(
        [Path(sys.executable).with_name("augstudy"), "run", tmp_path / "nothing.yaml"],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 2, done.stderr
    assert "nothing.yaml" in done.stderr


def test_check_lists_every_row_and_trains_nothing(call, study, tmp_path):
    code, out, err = call("check", study, "seeds=[0,1]", "method.epochs=1,3", "--no-estimate")
    assert (code, err) == (0, "")
    assert "random" in out
    assert "on this machine" not in out
    assert "rot, method.epochs=1" in out
    assert "rot, method.epochs=3" in out
    assert not list(tmp_path.rglob("runs"))


def test_check_tells_of_images_that_no_crop_shows(call, study):
    rows = "rows=[{label: all, method: rotnet, data: {images: all}}]"
    code, out, err = call("check", study, "corpus.count=64", rows, "--no-estimate")
    assert (code, err) == (0, "")
    assert "note: all: 64 of" in out
    assert "images are seen (corpus.count)" in out


def test_check_says_about_how_long_it_would_take(call, study, tmp_path):
    code, out, err = call("check", study, "corpus.count=64", "rows=[{label: rot, method: rotnet}]")
    assert (code, err) == (0, "")
    for words in ("rotnet", "128", "time", "second", "on this machine"):
        assert words in out
    assert not list(tmp_path.rglob("runs"))


def test_a_dry_run_is_a_check_without_the_time(call, study):
    assert call("run", study, "--dry-run")[1] == call("check", study, "--no-estimate")[1]


def test_preview_writes_a_picture(call, study, tmp_path):
    code, out, _ = call("preview", study, "corpus.count=40", "--out", tmp_path / "look.png")
    assert code == 0
    assert "look.png" in out.replace("\n", "")
    assert (tmp_path / "look.png").stat().st_size > 1000


def test_data_list_names_images_with_licences_and_sets(call):
    code, out, _ = call("data", "list")
    assert code == 0
    for word in ("hubble", "CC0", "cifar10", "photos"):
        assert word in out


def test_crops_are_written_once_verified_and_kept_from_other_settings(call, tmp_path):
    words = ["crops", "coffee", "--count", 30, "--size", 16, "--shard-size", 12, "--out", tmp_path / "crops"]
    code, out, err = call(*words, "--set", "rotation=0", "--verify")
    assert (code, err) == (0, "")
    assert "wrote 30 crops" in out
    assert "every file is as in manifest.json" in out
    assert sorted(path.name for path in (tmp_path / "crops").glob("*.tar")) == [f"shard-00000{i}.tar" for i in range(3)]
    code, out, err = call(*words, "--set", "rotation=0")
    assert (code, err) == (0, "")
    assert "nothing to do" in out
    (tmp_path / "crops" / "shard-000001.tar").unlink()
    code, out, err = call(*words, "--set", "rotation=0")
    assert (code, err) == (0, "")
    assert "wrote 12 crops" in out
    assert "made again, for it was missing or not of its length: shard-000001.tar" in out
    for wrong, said in (([], "recipe.rotation"), (["--set", "rotatoin=0"], "'rotation'")):
        code, out, err = call(*words, *wrong)
        assert code == 2
        assert said in err
        assert len(err.splitlines()) == 2


def test_a_preview_and_its_plan(call, study, tmp_path):
    code, out, err = call("preview", study, "--out", tmp_path / "preview.png")
    assert (code, err) == (0, "")
    assert (tmp_path / "preview.png").stat().st_size > 10_000
    code, out, err = call("preview", study, "--plan")
    assert (code, err) == (0, "")
    assert "rot: " in out
    assert "nodes -> 1 warp" in out


@pytest.mark.parametrize("command", ["table", "figures"])
def test_without_records_a_published_table_is_left_as_it_is(call, tmp_path, command):
    """A clone has tables and figures of its studies, and no records."""
    folder = tmp_path / "results" / "toy"
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text("study: toy\nruns: [{label: a, method: rotnet, hash: abc, seed: 0, axes: {}}]\n")
    (folder / "table.csv").write_text("published")
    code, _, err = call(command, "toy", "--results", tmp_path / "results")
    assert code == 2
    assert "has no record of a run" in err
    assert len(err.splitlines()) == 2
    assert (folder / "table.csv").read_text() == "published"
