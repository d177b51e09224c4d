"""What a training leaves behind: a checkpoint to resume from, and an encoder to use."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from augstudy.core import registry
from augstudy.core.build import build
from augstudy.core.errors import UserError
from augstudy.core.store import RunFolder, read_json, replacing, write_json
from augstudy.learn.backbones.base import Backbone, Encoder, fingerprint
from augstudy.learn.sided import Sided

__all__ = [
    "encoder_files",
    "first_line",
    "load_checkpoint",
    "load_encoder",
    "read_card",
    "save_checkpoint",
    "save_encoder",
    "spent",
]


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


def save_encoder(
    folder: RunFolder,
    encoder: Encoder,
    backbone: str,
    settings: dict[str, Any],
    size: int | None = None,
    sided: tuple[str, dict[str, Any]] | None = None,
) -> None:
    """`encoder.safetensors`, and the card `encoder.json` that says how to build and feed the network it fits.

    Args:
        backbone, settings: name and settings of the part that made the encoder.
        size: side in px of the views that it was trained on, if it was; other sizes fit too.
        sided: name and settings of the view family whose two sides have an encoder each.
    """
    state = {encoder.exported_name(name): value.cpu().contiguous() for name, value in encoder.state_dict().items()}
    card = {
        "backbone": backbone,
        "settings": settings,
        "layers": encoder.names,
        "input": {"channels": "RGB", "range": [-1, 1], "size": size},
        "torchvision": encoder.torchvision(),
        "fingerprint": fingerprint(encoder),
        "augstudy": version("augstudy"),
    }
    write_json(folder.card, card | ({"view": {"name": sided[0], "settings": sided[1]}} if sided else {}))
    with replacing(folder.encoder) as temporary:
        save_file(state, temporary)


def read_card(where: RunFolder | Path | str) -> Any:
    """What the card of an encoder says: its backbone, settings, layers, input, torchvision twin and fingerprint.

    Args:
        where: as for `load_encoder`.

    Raises:
        UserError: the card or the weights are not there, or the card is not JSON.
    """
    weights, card = encoder_files(where)
    for path in (weights, card):
        if not path.is_file():
            raise UserError(f"there is no file {path}", again(weights, card))
    return read_json(card)


def load_encoder(where: RunFolder | Path | str) -> Encoder:
    """An exported encoder, in eval mode; `names` are its layers.

    Args:
        where: a run's folder, or a `.safetensors` file with its card, a `.json` of the same name, beside it.

    Raises:
        UserError: a file is missing or damaged, or the weights are not those on the card.
    """
    weights, path = encoder_files(where)
    fix = again(weights, path)
    try:
        card = read_card(where)
        backbone: Backbone = build(registry.find("learn.backbones", card["backbone"]), card["settings"], str(path))
        if view := card.get("view"):
            backbone = Sided(
                backbone=backbone, view=build(registry.find("augment.views", view["name"]), view["settings"], str(path))
            )
        with torch.device("meta"):  # draws no random weights, for the file's take their place
            encoder = backbone.encoder()
        names = {encoder.exported_name(name): name for name in encoder.state_dict()}
        state = {names.get(name, name): value for name, value in load_file(weights).items()}
        encoder.load_state_dict(state, assign=True)
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{weights} cannot be read ({first_line(error)})", fix) from None
    if any(value.is_meta for value in (*encoder.parameters(), *encoder.buffers())):
        raise UserError(f"{weights} lacks weights or buffers of {card['backbone']}", fix)
    if fingerprint(encoder) != card.get("fingerprint"):
        raise UserError(f"{weights} holds other weights than its card says", fix)
    return encoder.eval()


def encoder_files(where: RunFolder | Path | str) -> tuple[Path, Path]:
    """Weights and card, whichever of a run's folder, its path, or the path of either file is given."""
    path = where.path if isinstance(where, RunFolder) else Path(where)
    if path.suffix in (".safetensors", ".json"):
        return path.with_suffix(".safetensors"), path.with_suffix(".json")
    folder = RunFolder(path)
    return folder.encoder, folder.card


def again(weights: Path, card: Path) -> str:
    """What to do about an encoder that cannot be had."""
    files = f"{weights.name} and {card.name}"
    return f"Copy {files} there again; where a study made them, delete record.json and run it again."


def spent(folder: RunFolder) -> float:
    """Seconds that the epochs took which a run that was stopped has behind it."""
    state = load_checkpoint(folder.checkpoint) or {"history": []}
    return float(sum(row.get("seconds", 0.0) for row in state["history"]))
