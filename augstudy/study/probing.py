"""Any encoder probed on any labelled set, outside of a study."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

from augstudy.core import registry, rng
from augstudy.core.build import build
from augstudy.core.errors import UserError
from augstudy.data.datasets.base import Labelled
from augstudy.evaluate.features import Extraction
from augstudy.evaluate.probes.base import Metric, Probe
from augstudy.learn.adopted import Trunk, adopt, check_layers, read_state
from augstudy.learn.backbones.base import Backbone, Encoder
from augstudy.learn.checkpoint import encoder_files, load_encoder
from augstudy.learn.sided import TwoSided
from augstudy.study.measurement import Measurement
from augstudy.study.sections import named

__all__ = ["probe_with", "section_of", "trunk_of"]


def section_of(text: str, option: str) -> dict[str, Any]:
    """`resnet` or `{name: resnet, depth: 50}` -> name and settings.

    Raises:
        UserError: it is neither.
    """
    try:
        found = named(yaml.safe_load(text), option)
    except yaml.YAMLError:
        raise UserError(f"{option} {text!r} cannot be read", "Write a name, or '{name: ..., key: value}'.") from None
    if not isinstance(found.get("name"), str):
        raise UserError(f"{option} {text!r} names nothing", "Write a name, or '{name: ..., key: value}'.")
    return found


def trunk_of(
    where: Path, layers: Sequence[str], backbone: Mapping[str, Any] | None, imagenet: bool | None = None
) -> tuple[Encoder, str]:
    """The probed layers of an encoder, and a sentence on how its weights were found.

    Args:
        where: a run's folder, an exported `.safetensors` with its card beside it, or somebody else's checkpoint.
        layers: names; none for all.
        backbone: name and settings of the network that a checkpoint without a card belongs to.
        imagenet: how pixels are scaled; None scales them so for checkpoints that are not ours.

    Raises:
        UserError: weights are missing, or a layer is not there.
    """
    weights, card = encoder_files(where)
    if backbone is None and weights.is_file() and card.is_file():
        encoder = load_encoder(where)
        check_layers(encoder, layers)
        return _trunk(encoder, layers or encoder.names, bool(imagenet)), "an encoder of augstudy's, by its card"
    state = read_state(where)
    if backbone is None:
        what = f"{where} has no card that says which network it is"
        raise UserError(what, "Name it: --backbone resnet, or --backbone '{name: resnet, depth: 50}'.")
    part = registry.find("learn.backbones", backbone["name"])
    settings = {key: value for key, value in backbone.items() if key != "name"}
    network: Backbone = build(part, settings, "--backbone")
    with rng.torch_seeded(0, "probe/adopted"):
        encoder = network.encoder()
    match = adopt(encoder, state, layers or encoder.names, where)
    return Trunk(encoder.eval(), layers or encoder.names, imagenet is not False), match.sentence()


def _trunk(encoder: Encoder, layers: Sequence[str], imagenet: bool) -> Encoder:
    """Its layers up to the deepest of these, of both sides where there are two."""
    if not isinstance(encoder, TwoSided):
        return Trunk(encoder, layers, imagenet)
    first, second = (Trunk(side, layers, imagenet) for side in encoder.pair)
    return TwoSided((first, second), encoder.lens)


def probe_with(
    trunk: Encoder, data: Labelled, probes: Sequence[Mapping[str, Any]], extraction: Extraction, device: torch.device
) -> dict[str, tuple[Probe, list[Metric]]]:
    """What each probe finds, by its name."""
    parts: dict[str, Probe] = {}
    for node in probes:
        settings = {key: value for key, value in node.items() if key != "name"}
        parts[node["name"]] = build(registry.find("evaluate.probes", node["name"]), settings, f"--probe {node['name']}")
    found = Measurement(extraction, parts).by(parts, trunk, data, device, None)
    return {name: (parts[name], metrics) for name, metrics in found}
