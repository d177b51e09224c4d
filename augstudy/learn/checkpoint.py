"""What a training leaves behind: a checkpoint to resume from, and an encoder to use."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from augstudy.core.errors import UserError
from augstudy.core.store import RunFolder, read_json, replacing, write_json
from augstudy.learn.backbones.base import Encoder, fingerprint
from augstudy.learn.sided import rebuilt

__all__ = [
    "Past",
    "encoder_files",
    "first_line",
    "load_checkpoint",
    "load_encoder",
    "past",
    "read_card",
    "save_checkpoint",
    "save_encoder",
]


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write the whole checkpoint or nothing; torch puts a CRC-32 of every tensor beside it."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # that there is no space, torch says in its own words
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The state last saved, or None if there is none.

    Raises:
        UserError: the file is damaged.
    """
    if not path.exists():
        return None
    try:
        with ZipFile(path) as file:  # torch itself does not look at the checksums
            if wrong := file.testzip():
                raise ValueError(f"the checksum of {wrong} is another")
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
    more: dict[str, Any] | None = None,
) -> None:
    """`encoder.safetensors`, and the card `encoder.json` that says how to build and feed the network it fits.

    Args:
        backbone, settings: name and settings of the part that made the encoder.
        size: side in px of the views that it was trained on, if it was; other sizes fit too.
        more: what the card says besides (see `sided.around`).
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
    write_json(folder.card, card | (more or {}))
    with replacing(folder.encoder) as temporary:
        temporary.write_bytes(save(state))


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
        backbone = rebuilt(card, str(path))
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
    files, record = f"{weights.name} and {card.name}", RunFolder(weights.parent).record
    if not record.exists():  # as in a clone, whose results lie in the study's records.json
        return f"Name a run that was made here (its study makes it: augstudy run), or copy {files} there."
    return f"Copy {files} there again; where a study made them, delete {record} and run it again."


@dataclass(frozen=True)
class Past:
    """What a run that was stopped has behind it.

    Args:
        epochs: that are in its checkpoint.
        seconds: that they took.
        torch: versions of torch that made them.
    """

    epochs: int = 0
    seconds: float = 0.0
    torch: tuple[str, ...] = ()

    def torch_until(self, epochs: int) -> list[str]:
        """The versions of torch that will have made all of a run with so many epochs."""
        done = self.epochs and self.epochs >= epochs
        return list(self.torch) if done else list(dict.fromkeys([*self.torch, str(torch.__version__)]))


def past(folder: RunFolder) -> Past:
    """What the checkpoint of a run tells; nothing where there is none."""
    state = load_checkpoint(folder.checkpoint)
    if state is None:
        return Past()
    seconds = float(sum(row.get("seconds", 0.0) for row in state["history"]))
    return Past(state["epoch"], seconds, tuple(state.get("torch", ())))
