"""Who teaches a row: a row above it, or a checkpoint; a run of the first kind waits for another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

from augstudy.core import registry
from augstudy.core.build import build
from augstudy.core.errors import UserError, nearest
from augstudy.core.store import digest
from augstudy.data.catalogue import sha256_of
from augstudy.learn.backbones.base import Backbone
from augstudy.learn.checkpoint import encoder_files
from augstudy.learn.classifier import Classifier, adopt_classifier, head_file, load_classifier
from augstudy.learn.methods.base import Method

__all__ = ["Elsewhere", "appointed", "said"]

FIX = "Write teacher: and the label of a row above, or teacher: {path: FILE, backbone: {name: resnet}}."


@dataclass(frozen=True)
class Elsewhere:
    """A teacher that no row of the study trains; a row says `teacher: {path: ...}`.

    Args:
        path: of a run of ours with a classifier (its folder, or its encoder.safetensors), or of a checkpoint.
        backbone: name and settings of the network that a checkpoint without a card of ours belongs to.
        imagenet: such a checkpoint wants pixels scaled as torchvision's weights do, rather than to [-1, 1].
    """

    path: str = ""
    backbone: dict[str, Any] = field(default_factory=dict)
    imagenet: bool = True

    @property
    def file(self) -> Path:
        """What is read."""
        return Path(self.path).expanduser()

    @cached_property
    def key(self) -> str:
        """Names its content and how it is read, wherever it lies."""
        files = [self.file] if self.backbone else [*encoder_files(self.file), head_file(self.file)]
        how = [self.backbone, self.imagenet] if self.backbone else []
        return digest([*map(sha256_of, files), *how])

    def load(self) -> Classifier:
        """Raises UserError where it cannot be had."""
        if not self.backbone:
            if self.file.is_file() and self.file.suffix not in (".safetensors", ".json"):
                what = f"{self.file} has no card that says which network it is"
                raise UserError(what, "Name it: backbone: resnet, or backbone: {name: resnet, depth: 50}.")
            return load_classifier(self.file)
        settings = {name: value for name, value in self.backbone.items() if name != "name"}
        part = registry.find("learn.backbones", str(self.backbone.get("name")))
        network: Backbone = build(part, settings, "backbone")
        return adopt_classifier(self.file, network, self.imagenet)


def said(node: Any, method: type[Method], name: str, where: str) -> str | Elsewhere | None:
    """What a row says under `teacher`: the label of a row, a checkpoint, or nothing.

    Args:
        name: of the method.

    Raises:
        UserError: it does not fit the method, or is neither.
    """
    if method.needs_teacher != (node is not None):
        if node is None:
            raise UserError(f"{where}: {name} needs a teacher", FIX)
        raise UserError(f"{where}: {name} has no use for a teacher", "Leave teacher out of this row.")
    if isinstance(node, Mapping):
        found = build(Elsewhere, {**node, **_spelt_out(node)}, f"{where}: teacher")
        if not found.path:
            raise UserError(f"{where}: teacher: it has no path", FIX)
        return found
    if node is not None and not isinstance(node, str):
        raise UserError(f"{where}: teacher is {node!r}, neither a label nor settings", FIX)
    return node


def _spelt_out(node: Mapping[str, Any]) -> dict[str, Any]:
    """A backbone given by its bare name, as everywhere."""
    return {"backbone": {"name": node["backbone"]}} if isinstance(node.get("backbone"), str) else {}


class Taught(Protocol):
    """What is asked of a run here."""

    @property
    def label(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def axes(self) -> dict[str, Any]: ...
    @property
    def method(self) -> Method: ...


T = TypeVar("T", bound=Taught)


def appointed(label: str | Elsewhere | None, student: T, above: Sequence[T], where: str) -> T | Elsewhere | None:
    """The run that teaches a student: of the row with this label, of the same seed and place in the sweep.

    Args:
        label: of a row; what is none is given back.
        above: runs of the rows above the student's.

    Raises:
        UserError: there is no such row, it has no classifier, or several of its runs would do.
    """
    if not isinstance(label, str):
        return label
    named = [run for run in above if run.label == label]
    if not named:
        raise UserError(f"{where}: teacher: no row above is called {label!r}", nearest(label, {r.label for r in above}))
    if not named[0].method.classifies:
        raise UserError(f"{where}: teacher: row {label!r} tells no classes", "Name a row with method supervised.")
    fits = [run for run in named if run.seed == student.seed and _agree(run.axes, student.axes)]
    if len(fits) != 1:
        what = f"{where}: teacher: {len(fits)} runs of row {label!r} could teach one student"
        raise UserError(what, "Sweep over what both rows have, or over nothing that the teacher has.")
    return fits[0]


def _agree(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    return all(second[key] == value for key, value in first.items() if key in second)
