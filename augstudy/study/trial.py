"""What can be found out about a run's networks before anything is trained."""

from collections.abc import Iterable
from functools import cache

import torch

from augstudy.core import registry
from augstudy.core.errors import UserError
from augstudy.learn.backbones.base import Backbone
from augstudy.learn.methods.base import Context
from augstudy.learn.sided import TwoSided
from augstudy.study.plan import Run
from augstudy.study.teachers import Elsewhere

__all__ = ["check_reach", "try_networks", "try_teacher"]


MANY = 1_000_000  # stands for the images of a labelled set, which nobody has counted yet


def try_networks(run: Run, devices: int = 1) -> None:
    """Build a run's networks without memory, to find now what they would refuse after the rows before it.

    Args:
        devices: how many train it together.

    Raises:
        UserError: the method or the backbone cannot take views of this size.
    """
    size, sizes, where = run.view.size, list[int](), f"row {run.label!r}"
    if run.cropped and run.recipe.count < run.method.batch_size:
        what = f"{where}: corpus.count {run.recipe.count} is less than one batch of {run.method.batch_size}"
        raise UserError(what, "Set corpus.count to more, or method.batch_size to less.")
    if run.method.trains:
        check_shares(run, devices, where)
        check_pairs(run, where)
        sizes = check_number(run, where)
    backbone = run.method.network(run.backbone, run.view)
    with torch.device("meta"):
        try:
            count = run.recipe.count if run.cropped else run.full.count or MANY
            classes = 0 if run.cropped and run.teacher is None else 2
            run.method.modules(backbone.encoder(), Context(run.seed, run.view.size, count, classes))
            for size in sizes:
                try_view(backbone, size)
        except UserError as error:
            raise error.at(where) from None
        except RuntimeError:
            what = f"{where}: views of {size} px are too small for {run.backbone_name}"
            raise UserError(what, "Set view.size to more, or name another backbone.") from None


@cache
def try_view(backbone: Backbone, size: int) -> None:
    """Show an encoder a view of this side; once for all rows that have the same, for a study may have hundreds."""
    encoder = backbone.encoder()
    sides = encoder.pair if isinstance(encoder, TwoSided) else (encoder,)
    for side, channels in zip(sides, encoder.lens.channels if isinstance(encoder, TwoSided) else (3,), strict=True):
        side(torch.empty(2, channels, size, size))


def try_teacher(run: Run) -> None:
    """Load a teacher that no row of the study trains.

    Raises:
        UserError: it cannot be had, or is no classifier.
    """
    if isinstance(run.teacher, Elsewhere):
        try:
            run.teacher.load()
        except UserError as error:
            raise error.at(f"row {run.label!r}: teacher") from None


def check_shares(run: Run, devices: int, where: str) -> None:
    """Raises UserError where a batch cannot be shared out among the devices."""
    try:
        if devices > 1:
            run.method.norm_spans(devices)
    except UserError as error:
        raise error.at(where) from None


def check_pairs(run: Run, where: str) -> None:
    """Whether the method can train on what the view family makes.

    Raises:
        UserError: the family's views are halves of a pair and the method sees one, or they need an encoder each and the
            method trains one.
    """
    method, family = run.method_name, run.view_name
    if run.view.needs_pairs and run.method.views != 2:
        what = f"{where}: views of the family {family} come in pairs, and {method} looks at single ones"
        raise UserError(what, "Name a method of two views, such as simclr, or give the row a view of its own.")
    if run.view.two_encoders and not run.method.two_encoders:
        sides = " and ".join(str(count) for count in run.view.channels)
        what = f"{where}: the two sides of {family} ({sides} channels) need an encoder each, and {method} trains one"
        raise UserError(what, "Set method: simclr, which trains two, or name another view family.")


def check_number(run: Run, where: str) -> list[int]:
    """Whether the method can train on as many views as there are; returns their sides in pixels, each once.

    Raises:
        UserError: there are too few or too many.
    """
    method = run.method
    try:
        graphs = run.view.graphs(method.views)
    except UserError as error:
        raise error.at(f"{where}: view") from None
    if len(graphs) > method.views and not method.multicrop:
        taught = [name for name in registry.names("learn.methods") if registry.find("learn.methods", name).multicrop]
        what = f"{where}: {run.view_name} makes {len(graphs)} views of a crop, and {run.method_name} trains on "
        fix = f"Name a method that trains on more ({', '.join(taught)}), or set view.crops to {method.views}x100%."
        raise UserError(f"{what}{method.views}", fix)
    return list({graph.out_size((run.view.size, run.view.size))[0]: None for graph in graphs})


def check_reach(run: Run, sizes: Iterable[tuple[int, int]]) -> None:
    """Whether the views lie within the images.

    Args:
        sizes: (height, width) of each.

    Raises:
        UserError: they leave one of them.
    """
    least = min((min(size) for size in sizes), default=run.view.reach)
    if run.view.reach > least:
        control = f"view.{run.view.control} {getattr(run.view, run.view.control)} {run.view.unit}".strip()
        what = f"row {run.row!r}: with {control} views need {run.view.reach} px, but an image has {least} px on a side"
        raise UserError(what, f"Set view.{run.view.control} to at most {control_limit(run, least)}.")


def control_limit(run: Run, least: int) -> int:
    """The largest offset with which the views still lie within an image of this side."""
    return max(0, int(getattr(run.view, run.view.control)) - (run.view.reach - least))
