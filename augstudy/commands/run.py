"""`augstudy run`: a study to its table, figures and report."""

from collections.abc import Callable
from typing import Annotated

import typer
from rich.markup import escape

from augstudy.commands.base import Overrides, ResultsFolder, StudyFile, console
from augstudy.commands.check import check
from augstudy.core.build import check_choice
from augstudy.core.store import RESULTS, StudyFolder
from augstudy.study.written import read_study

__all__ = ["run"]

LAUNCHERS = ("local", "ray", "slurm")


def run(
    study: StudyFile,
    overrides: Overrides = None,
    results: ResultsFolder = RESULTS,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            metavar="N",
            help="Make N runs at a time: here, where the default is 1, with a share of the cores each.",
        ),
    ] = None,
    launcher: Annotated[
        str, typer.Option("--launcher", metavar="NAME", help="Where runs are made: local, or on a cluster: ray, slurm.")
    ] = "local",
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="With slurm: wait for the runs and draw, or only submit them.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be run.")] = False,
) -> None:
    """Run a study to its table, figures and report. Finished runs are kept; a killed study goes on where it stopped.

    Figures are drawn when there is something new to show; `augstudy figures` draws them again.
    """
    check_choice("--launcher", launcher, LAUNCHERS)
    if dry_run:
        return check([study], overrides, results, estimate=False)
    read_study(study)
    from augstudy.study.compose import compose
    from augstudy.study.launch.local import Local
    from augstudy.study.launch.ray import Ray
    from augstudy.study.launch.slurm import Slurm
    from augstudy.study.pipeline import Laboratory
    from augstudy.study.progress import Reporter

    composed = compose(study, overrides or [])
    work: Callable[[Laboratory, Reporter], None] | None = None  # before all that takes long, so that it tells now
    if launcher != "local":
        work = Ray(composed, jobs) if launcher == "ray" else Slurm(composed, jobs, wait)
    elif jobs is not None and jobs != 1:
        work = Local(composed, jobs)
    laboratory = Laboratory(composed, results, here=launcher == "local")
    reporter = Reporter(console)
    try:
        changed = laboratory.run(reporter, work)
    finally:
        reporter.close()
    if wait or not laboratory.unfinished():
        redraw(laboratory.folder, None, keep=not changed)
    return None


def redraw(folder: StudyFolder, only: list[str] | None, keep: bool = False) -> None:
    """Table, figures and report of a study; with `keep`, figures that are there stay as they are."""
    from augstudy.show import table as tables
    from augstudy.show.base import load
    from augstudy.show.figures.base import draw
    from augstudy.show.report.page import is_drawn
    from augstudy.show.report.page import write as write_report

    loaded = load(folder)
    # The report is written last: where it is of other runs or another study, a run was stopped before it drew.
    drawn = draw(loaded, only, keep and is_drawn(loaded))
    paths = [*tables.write(loaded), *drawn, write_report(loaded)]
    console.print(tables.rich_table(loaded))
    console.print(f"results in {escape(str(folder.path))}: {', '.join(escape(p.name) for p in paths)}", soft_wrap=True)
