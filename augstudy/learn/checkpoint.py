"""What a training leaves behind: a checkpoint to resume from, and an encoder to use."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from augstudy.core import registry
from augstudy.core.build import build
from augstudy.core.errors import UserError
from augstudy.core.store import RunFolder, read_json, replacing, write_json
from augstudy.learn.backbones.base import Encoder, fingerprint

__all__ = ["first_line", "load_checkpoint", "load_encoder", "save_checkpoint", "save_encoder"]


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write the whole checkpoint or nothing."""
    with replacing(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The state last saved, or None if there is none.

    Raises:
        UserError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state
    except Exception as error:  # torch raises half a dozen kinds for damaged files
        raise UserError(
            f"the checkpoint {path} is damaged ({first_line(error)})",
            "Delete this file and run again: this one run starts anew, finished ones are kept.",
        ) from None


def first_line(error: Exception) -> str:
    """What a library says is wrong, short enough for one line; its kind if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:120]


def save_encoder(folder: RunFolder, encoder: Encoder, backbone: str, settings: dict[str, Any]) -> None:
    """`encoder.safetensors` and the card that says how to build the network it fits."""
    state = {name: value.detach().cpu().contiguous() for name, value in encoder.state_dict().items()}
    card = {
        "backbone": backbone,
        "settings": settings,
        "layers": encoder.names,
        "input": "RGB, pixels scaled to [-1, 1]",
        "fingerprint": fingerprint(encoder),
    }
    write_json(folder.card, card)
    with replacing(folder.encoder) as temporary:
        save_file(state, temporary)


def load_encoder(folder: RunFolder) -> Encoder:
    """The encoder of a run, in eval mode.

    Raises:
        UserError: a file is missing or damaged, or the weights are not those on the card.
    """
    fix = f"Delete {folder.encoder.name} and {folder.record.name} there and run again."
    try:
        card = read_json(folder.card)
        encoder: Encoder = build(registry.find("learn.backbones", card["backbone"]), card["settings"], "card").encoder()
        encoder.load_state_dict(load_file(folder.encoder))
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError) as error:
        raise UserError(f"{folder.encoder} cannot be read ({first_line(error)})", fix) from None
    if fingerprint(encoder) != card.get("fingerprint"):
        raise UserError(f"{folder.encoder} holds other weights than its card says", fix)
    return encoder.eval()
