"""Encoders that a command names: a run's folder, a file of weights, or an untrained network as control."""

from collections.abc import Sequence
from pathlib import Path

from augstudy.core import registry, rng
from augstudy.core.errors import UserError
from augstudy.core.store import RunFolder, read_yaml
from augstudy.learn.backbones.base import Backbone, Encoder
from augstudy.learn.checkpoint import load_encoder, read_card
from augstudy.learn.sided import rebuilt

__all__ = ["RANDOM", "named_encoders", "untrained"]

RANDOM = "random"  # `random` and `random:conv4` name networks that were never trained


def untrained(part: Backbone, seed: int = 0) -> Encoder:
    """A network with random weights, drawn by seed, in eval mode."""
    with rng.torch_seeded(seed, "visuals/random"):
        return part.encoder().eval()


def named_encoders(names: Sequence[str]) -> list[tuple[str, Encoder]]:
    """(name for pictures, encoder in eval mode) of each; encoders that would share a name are numbered.

    Args:
        names: folders of runs, `.safetensors` files with their cards, or `random`, which has the architecture of the
            first trained encoder that is named (`conv4` if there is none), or `random:BACKBONE`.

    Raises:
        UserError: none is named, a file is missing or damaged, or there is no such backbone.
    """
    if not names:
        raise UserError("no encoder is named", "Give the folder of a run, a .safetensors file, or random:conv4.")
    trained = [name for name in names if not _is_control(name)]
    found = [(_label(n), _control(n, trained) if _is_control(n) else load_encoder(n)) for n in names]
    labels = [label for label, _ in found]
    return [
        (label if labels.count(label) == 1 else f"{label} ({labels[:i].count(label) + 1})", encoder)
        for i, (label, encoder) in enumerate(found)
    ]


def _control(name: str, trained: Sequence[str]) -> Encoder:
    backbone = name.partition(":")[2]
    if backbone or not trained:
        return untrained(registry.find("learn.backbones", backbone or "conv4")())
    card = read_card(trained[0])
    return untrained(rebuilt(card, trained[0]))


def _is_control(name: str) -> bool:
    return name.partition(":")[0] == RANDOM


def _label(name: str) -> str:
    """What pictures call an encoder: its row where its run says which, else the name of its file."""
    path = Path(name)
    folder = RunFolder(path if path.is_dir() else path.parent)
    if _is_control(name):
        return name
    facts = read_yaml(folder.provenance) if folder.provenance.exists() else None
    return str(facts.get("label", path.stem)) if isinstance(facts, dict) else path.stem
