"""The command line: parse arguments, call one function, print."""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from augstudy.core.errors import UserError
from augstudy.core.store import RESULTS, StudyFolder
from augstudy.study.written import read_study

__all__ = ["main"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
data_app = typer.Typer(help="Images and labelled sets that a study can name.", no_args_is_help=True)
app.add_typer(data_app, name="data")
console = Console()

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="A study file, such as studies/single_image_A.yaml.")]
StudyName = Annotated[
    str, typer.Argument(metavar="STUDY", help="A study file, or the name of a folder of the results folder.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[OVERRIDE]...",
        help="Hydra's grammar: scale=smoke, seeds=\\[0,1], method.lr=0.1; several values sweep: view.strength=0,0.5,1.",
    ),
]
ResultsFolder = Annotated[Path, typer.Option("--results", metavar="DIR", help="Where results of all studies lie.")]


def print_version(wanted: bool) -> None:
    """Print the version, and be done."""
    if wanted:
        print(f"augstudy {version('augstudy')}")
        raise typer.Exit


@app.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """What do augmentations teach a self-supervised vision network?"""


@app.command()
def run(
    study: StudyFile,
    overrides: Overrides = None,
    results: ResultsFolder = RESULTS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be run.")] = False,
) -> None:
    """Run a study to its table and figures. Finished runs are kept; a killed study goes on where it stopped.

    Figures are drawn when there is something new to show; `augstudy figures` draws them again.
    """
    if dry_run:
        return check([study], overrides, results, estimate=False)
    read_study(study)
    from augstudy.study.compose import compose
    from augstudy.study.pipeline import Laboratory
    from augstudy.study.progress import Reporter

    laboratory = Laboratory(compose(study, overrides or []), results)
    reporter = Reporter(console)
    try:
        changed = laboratory.run(reporter)
    finally:
        reporter.close()
    redraw(laboratory.folder, None, keep=not changed)
    return None


@app.command()
def check(
    studies: Annotated[list[Path], typer.Argument(metavar="STUDY...", help="Study files; arguments with = override.")],
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="An override.")] = None,
    results: ResultsFolder = RESULTS,
    estimate: Annotated[
        bool, typer.Option("--estimate/--no-estimate", help="Time a few steps of each row and say how long all take.")
    ] = True,
) -> None:
    """Find what can be found before training: compose and build every row, find images and data, estimate the time."""
    words = [str(word) for word in studies]
    changes = [word for word in words if "=" in word] + (overrides or [])
    paths = [word for word in words if "=" not in word]
    for path in paths:  # all of them, before the first is built
        read_study(Path(path))
    from augstudy.show.listing import listing
    from augstudy.study.check import in_all, inspect
    from augstudy.study.compose import compose
    from augstudy.study.pipeline import Laboratory

    for path in paths:
        laboratory = Laboratory(compose(Path(path), changes), results)
        laboratory.folder.require_writable()
        for note in laboratory.notes():
            console.print(f"[yellow]note:[/] {escape(note)}", soft_wrap=True)
        with Console(stderr=True).status("timing a few training steps of each row" if estimate else "looking"):
            lines = inspect(laboratory, estimate)
        console.print(listing(path, [line.shown() for line in lines]))
        if estimate:
            console.print(in_all(lines), highlight=False, soft_wrap=True)


@app.command()
def preview(
    study: StudyFile,
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="PNG", help="Picture to write.")] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only print the passes that make the views of each row.")
    ] = False,
    results: ResultsFolder = RESULTS,
) -> None:
    """Draw crops of the corpus, and views made from them, before anyone trains."""
    read_study(study)
    from augstudy.show.preview import save_preview
    from augstudy.study.compose import compose
    from augstudy.study.pipeline import Laboratory
    from augstudy.study.preview import caption, plans, sheets

    laboratory = Laboratory(compose(study, overrides or []), results)
    if plan:
        for row, passes in plans(laboratory):
            console.print(f"{escape(row)}: {escape(passes)}", highlight=False, soft_wrap=True)
        return
    path = out or laboratory.folder.path / "preview.png"
    save_preview(path, laboratory.study.title or laboratory.study.name, caption(laboratory), sheets(laboratory))
    console.print(f"wrote {escape(str(path))}")


@app.command()
def crops(
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE...", help="Names (see `data list`) or paths of images.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder, or that of the same export.")],
    count: Annotated[int | None, typer.Option("--count", help="Crops in all; 1,281,167 unless told.")] = None,
    size: Annotated[int | None, typer.Option("--size", metavar="PX", help="Side of a crop; 256 unless told.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Names the corpus.")] = 0,
    form: Annotated[str, typer.Option("--format", help="webdataset, folder or npy.")] = "webdataset",
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="jpeg, png or raw; jpeg unless told, raw for npy.")
    ] = None,
    quality: Annotated[int, typer.Option("--quality", help="Of JPEGs, 1 to 100.")] = 90,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the recipe: rotation=0.")
    ] = None,
    shard_size: Annotated[int, typer.Option("--shard-size", help="Crops in a shard, folder or block.")] = 10_000,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    verify: Annotated[bool, typer.Option("--verify", help="Then compare all files with the manifest.")] = False,
) -> None:
    """Write the crops of one image, or of several, to a folder. A killed export goes on where it stopped."""
    from augstudy.study.crops import planned, recipe_from
    from augstudy.study.progress import Meter

    recipe = recipe_from(changes or [], count, size)
    export = planned(images, recipe, out, seed, form, encoding, quality, shard_size, device)
    with Meter(console, "crops") as meter:
        done = export(meter)
    what = f"wrote {done.made:,} crops to" if done.made else f"nothing to do: all {recipe.count:,} crops are in"
    console.print(f"{what} {escape(str(out))}", highlight=False, soft_wrap=True)
    if done.lost:
        console.print(escape(done.told()), highlight=False, soft_wrap=True)
    if verify:
        with Meter(console, "verified") as meter:
            differing = export.verify(meter)
        pixels = f"pixels were not compared ({'; '.join(differing)})" if differing else "crops made anew are the same"
        console.print(f"every file is as in manifest.json, and {escape(pixels)}", highlight=False, soft_wrap=True)


@app.command()
def table(study: StudyName, results: ResultsFolder = RESULTS) -> None:
    """Make table.csv and table.md again from the records, and print the table."""
    folder = folder_of(study, results)
    from augstudy.show import table as tables
    from augstudy.show.base import load

    loaded = load(folder)
    loaded.require_records()
    tables.write(loaded)
    console.print(tables.rich_table(loaded))


@app.command()
def figures(
    study: StudyName,
    results: ResultsFolder = RESULTS,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="NAME", help="Draw only this figure.")] = None,
) -> None:
    """Draw the figures again from the records; needs no torch and no training."""
    folder = folder_of(study, results)
    from augstudy.show.base import load
    from augstudy.show.figures.base import draw

    loaded = load(folder)
    loaded.require_records()
    for path in draw(loaded, only or None):
        console.print(f"wrote {escape(str(path))}")


@app.command()
def bench(
    name: Annotated[str, typer.Argument(metavar="BENCH", help="What to measure: crops, views, train or compute.")],
    sizes: Annotated[
        list[int] | None,
        typer.Option("--size", metavar="PX", help="Side in pixels, may be repeated; a bench has its own."),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="Timing of each line, all sides together.")] = 30.0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    image: Annotated[str | None, typer.Option("--image", metavar="NAME", help="An image, by name or path.")] = None,
    quality: Annotated[bool, typer.Option("--quality/--no-quality", help="Measure the crops' PSNR as well.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Time this package side by side with what you would use instead, on this machine."""
    from augstudy.core import registry

    part = registry.find("bench", name)
    from augstudy.bench.base import Settings
    from augstudy.show.listing import comparison

    lines = part().lines(Settings(tuple(sizes or ()), seconds, device, image, quality))
    records = []
    with Console(stderr=True).status(f"bench {name}: all sides take turns; nothing else should run on this machine"):
        for line in lines:
            records.append(line.record())
            if as_json:
                print(json.dumps(records[-1]), flush=True)
    if not as_json:
        console.print(comparison(name, records))


@data_app.command("list")
def data_list() -> None:
    """List the images and labelled sets, their licences, and whether they are on this machine."""
    from augstudy.core import registry
    from augstudy.data.catalogue import catalogue

    images = Table("image", "licence", "credit", "here", title="Images for `image: {name: ...}`")
    for image in catalogue():
        images.add_row(image.name, image.licence, image.credit, "yes" if image.locate() else "no")
    console.print(images)
    sets = Table("data set", "what it is", title="Labelled sets for `probe_data: {name: ...}`")
    for name in registry.names("data.datasets"):
        sets.add_row(name, registry.summary("data.datasets", name))
    console.print(sets)


def redraw(folder: StudyFolder, only: list[str] | None, keep: bool = False) -> None:
    """Table and figures of a study, printed and written; with `keep`, figures that are there stay as they are."""
    from augstudy.show import table as tables
    from augstudy.show.base import load
    from augstudy.show.figures.base import draw

    loaded = load(folder)
    paths = [*tables.write(loaded), *draw(loaded, only, keep)]
    console.print(tables.rich_table(loaded))
    console.print(f"results in {escape(str(folder.path))}: {', '.join(escape(p.name) for p in paths)}", soft_wrap=True)


def folder_of(study: str, results: Path) -> StudyFolder:
    """`studies/name.yaml` or `name` -> the folder of its results. Raises UserError where there are none."""
    folder = StudyFolder(results / Path(study).name.removesuffix(".yaml"))
    folder.require_results()
    return folder


def on_disk(error: OSError) -> UserError:
    """A full disk or a missing permission, in two lines."""
    where = error.filename or "a file"
    fix = "Mend its permissions, free some space or name another place; finished runs are kept."
    return UserError(f"{where} cannot be read or written ({error.strerror or error})", fix)


def main() -> None:
    """Entry point: an error meant for the user is two lines and exit code 2."""
    try:
        app()
    except (UserError, OSError) as caught:
        error = caught if isinstance(caught, UserError) else on_disk(caught)
        stderr = Console(stderr=True, soft_wrap=True)
        stderr.print(f"[bold red]error:[/] {escape(error.what)}", highlight=False)
        stderr.print(escape(error.fix), highlight=False)
        sys.exit(2)
