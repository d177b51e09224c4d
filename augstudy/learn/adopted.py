"""Encoders from elsewhere: a checkpoint's weights put into one of our backbones, or refused if any is missing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from augstudy.core.errors import UserError, nearest
from augstudy.learn.backbones.base import Encoder
from augstudy.learn.checkpoint import first_line

__all__ = ["Match", "Trunk", "adopt", "read_state"]

WRAPPERS = ("state_dict", "model_state_dict", "model", "teacher", "student", "net")  # what weights may lie under
# Prefixes as trainers write them; of several that fit, the first. Momentum copies come last.
PREFIXES = (
    *("", "module.encoder_q.", "encoder_q.", "backbone.", "model.backbone.", "module.backbone.", "encoder."),
    *("model.encoder.", "module.encoder.", "model.", "module.", "model.model.", "network.", "net.", "trunk."),
    *("student_backbone.", "student.backbone.", "online_network.", "resnet.", "_orig_mod.", "teacher.backbone."),
    *("backbone_momentum.", "teacher_backbone.", "encoder_k.", "module.encoder_k."),
)
# The trunk of torchvision's ResNet as a sequence of its children, as lightly's examples build it.
CHILDREN = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
MEAN, SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as torchvision's weights want their pixels
OPTIONAL = "num_batches_tracked"
NAMED = 4  # missing keys that an error names


@dataclass(frozen=True)
class Match:
    """How a checkpoint's keys were matched.

    Args:
        prefix: what stood before the names, "" for nothing.
        numbered: whether layers bore numbers, as of torchvision's children in a sequence.
        found: keys that were taken.
        left: keys of the checkpoint that were not.
    """

    prefix: str
    numbered: bool
    found: int
    left: int

    def sentence(self) -> str:
        """For people."""
        how = f"prefix {self.prefix!r}" if self.prefix else "no prefix"
        how += ", layers by number" if self.numbered else ""
        return f"matched all {self.found} weights of the probed layers ({how}); {self.left} others were left aside"


class Trunk(Encoder):
    """The layers of an encoder up to the deepest that is probed; `layers` gives the probed ones.

    Args:
        encoder: whose blocks are taken, not copied.
        probed: names of layers.
        imagenet: pixels are scaled as torchvision's weights want them, rather than to [-1, 1].
    """

    def __init__(self, encoder: Encoder, probed: Sequence[str], imagenet: bool = False) -> None:
        last = max(encoder.names.index(name) for name in probed)
        super().__init__({name: encoder.blocks[name] for name in encoder.names[: last + 1]}, encoder.channels)
        self.grid = encoder.grid
        self.probed = [name for name in encoder.names if name in probed]
        self.imagenet = imagenet

    @property
    def names(self) -> list[str]:
        return self.probed

    def layers(self, x: Tensor) -> dict[str, Tensor]:
        found = super().layers(self._scaled(x))
        return {name: found[name] for name in self.probed}

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self._scaled(x))

    def _scaled(self, x: Tensor) -> Tensor:
        if not self.imagenet:
            return x
        mean, sd = (x.new_tensor(v)[:, None, None] for v in (MEAN, SD))
        return ((x + 1) / 2 - mean) / sd


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, by name: a .safetensors file, or what torch.save wrote of weights alone.

    Raises:
        UserError: there is no such file, or it holds no weights, or more than weights.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}", "Give the path of an encoder or a checkpoint.")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)  # runs nothing that a stranger wrote
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} cannot be read ({first_line(error)})", "Copy or download it again.") from None
    except Exception as error:
        what = f"{path} is damaged, or holds more than weights ({first_line(error)})"
        raise UserError(what, "Save its state_dict alone: torch.save(model.state_dict(), path).") from None
    return _unwrapped(content, path)


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    while isinstance(content, Mapping):
        tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
        inner = next((content[key] for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None and tensors:
            return tensors
        content = inner
    raise UserError(f"{path} holds no weights by name", "Save a state_dict: torch.save(model.state_dict(), path).")


def adopt(encoder: Encoder, state: Mapping[str, Tensor], probed: Sequence[str], path: Path) -> Match:
    """Put a checkpoint's weights into the layers of an encoder, up to the deepest that is probed.

    Args:
        encoder: takes the weights.
        state: names -> weights.
        path: for errors.

    Raises:
        UserError: it lacks a weight, or has one of another shape: counts and names them. Nothing is taken then.
    """
    check_layers(encoder, probed)
    last = max(encoder.names.index(name) for name in probed)
    own = encoder.state_dict()
    keys = [key for key in own if key.split(".")[1] in encoder.names[: last + 1]]
    wanted = {encoder.exported_name(key): key for key in keys}
    best, rest = None, list(wanted)
    for prefix in PREFIXES:
        for numbered in (False, True):
            names = {name: prefix + (_by_number(name) if numbered else name) for name in wanted}
            missing = [n for n, k in names.items() if not _fits(state.get(k), own[wanted[n]]) and OPTIONAL not in n]
            if len(missing) < len(rest) or best is None:
                best, rest = (prefix, numbered, names), missing
    assert best is not None
    prefix, numbered, names = best
    if rest:
        raise UserError(_lack(path, rest, len(wanted), names, state), _remedy(names, rest, state))
    taken = {wanted[name]: state[key] for name, key in names.items() if key in state}
    encoder.load_state_dict(taken, strict=False)
    return Match(prefix, numbered, len(taken), len(state) - len(taken))


def check_layers(encoder: Encoder, probed: Sequence[str]) -> None:
    """Raises UserError for a layer that the encoder has not."""
    for name in probed:
        if name not in encoder.names:
            raise UserError(f"the encoder has no layer {name!r}", nearest(name, encoder.names))


def _by_number(name: str) -> str:
    first, _, rest = name.partition(".")
    number = next((number for number, child in CHILDREN.items() if child == first), first)
    return f"{number}.{rest}"


def _fits(found: Tensor | None, own: Tensor) -> bool:
    return found is not None and found.shape == own.shape


def _lack(path: Path, rest: list[str], count: int, names: dict[str, str], state: Mapping[str, Tensor]) -> str:
    named = ", ".join(f"{names[n]} (another shape)" if names[n] in state else names[n] for n in rest[:NAMED])
    more = f" and {len(rest) - NAMED} more" if len(rest) > NAMED else ""
    return f"{path} lacks {len(rest)} of the {count} weights of the probed layers: {named}{more}"


def _remedy(names: dict[str, str], rest: list[str], state: Mapping[str, Tensor]) -> str:
    given = [key for key in state if re.search(r"conv|weight", key)][:3]
    shapes = any(names[name] in state for name in rest)
    what = "Name the network it belongs to with --backbone" + (", width and stem included" if shapes else "")
    return f"{what}, or probe fewer --layers. Its keys are such as {', '.join(given) or 'none'}."
