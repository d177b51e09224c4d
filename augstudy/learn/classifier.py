"""Classifiers: an encoder and the linear layer that tells classes from it; what a student learns from."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils import skip_init

from augstudy.core import rng
from augstudy.core.errors import UserError
from augstudy.core.store import RunFolder, replacing
from augstudy.learn.adopted import Trunk, adopt, read_state
from augstudy.learn.backbones.base import Backbone, Encoder
from augstudy.learn.checkpoint import encoder_files, first_line, load_encoder

__all__ = ["Classifier", "adopt_classifier", "head_file", "load_classifier", "load_head", "save_head", "untrained"]

HEADS = ("fc", "head", "classifier", "linear", "head.fc")  # what trainers call the last layer


class Classifier(nn.Module):
    """Pixels (B, 3, h, w) in [-1, 1] -> logits (B, K).

    Args:
        encoder: its `embed` is what classes are told from.
        head: to K logits.
    """

    def __init__(self, encoder: Encoder, head: nn.Linear) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    @property
    def classes(self) -> int:
        """K."""
        return self.head.out_features

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder.embed(x))
        return logits


def untrained(backbone: Backbone, classes: int) -> Classifier:
    """A classifier with first weights, in eval mode, for who only wants to know what it costs."""
    with rng.torch_seeded(0, "classifier/untrained"):
        encoder = backbone.encoder()
        return Classifier(encoder, nn.Linear(encoder.width(), classes)).eval()


def head_file(where: RunFolder | Path | str) -> Path:
    """Where the head lies that belongs to an exported encoder."""
    return encoder_files(where)[0].with_name("head.safetensors")


def save_head(folder: RunFolder, head: nn.Linear) -> None:
    """Write `head.safetensors` beside the encoder: weight (K, D) and bias (K,)."""
    with replacing(folder.head) as temporary:
        save_file({name: value.cpu().contiguous() for name, value in head.state_dict().items()}, temporary)


def load_head(where: RunFolder | Path | str) -> nn.Linear | None:
    """The head of an encoder of ours, or None where none was saved.

    Raises:
        UserError: the file is damaged.
    """
    path = head_file(where)
    if not path.is_file():
        return None
    try:
        return linear(load_file(path))
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        fix = "Copy it there again; where a study made it, delete record.json and run it again."
        raise UserError(f"{path} cannot be read ({first_line(error)})", fix) from None


def load_classifier(where: RunFolder | Path | str) -> Classifier:
    """A classifier that a run of ours left, in eval mode.

    Args:
        where: as for `load_encoder`.

    Raises:
        UserError: a file is missing or damaged.
    """
    encoder, head = load_encoder(where), load_head(where)
    if head is None:
        what = f"there is no {head_file(where)}, so this encoder tells no classes"
        fix = "Name a supervised run; of one made before heads were kept, delete record.json and run it again."
        raise UserError(what, fix)
    return Classifier(encoder, head).eval()


def adopt_classifier(path: Path, backbone: Backbone, imagenet: bool = True) -> Classifier:
    """Somebody else's classifier, such as a state dict of torchvision's or timm's ResNet, in eval mode.

    Args:
        path: of the checkpoint; nothing in it is run.
        backbone: the network that its weights belong to.
        imagenet: it wants pixels scaled as torchvision's weights do, rather than to [-1, 1].

    Raises:
        UserError: it lacks weights, or a last layer that fits the network.
    """
    state = read_state(path)
    with rng.torch_seeded(0, "classifier/adopted"):
        encoder = backbone.encoder()
    match = adopt(encoder, state, encoder.names, path)
    head = found_head(state, match.prefix, encoder.width())
    if head is None:
        what = f"{path} has no last layer of {encoder.width()} inputs, called one of {', '.join(HEADS)}"
        raise UserError(what, "Give a checkpoint that was saved with its classifier.")
    return Classifier(Trunk(encoder, encoder.names, imagenet), head).eval()


def found_head(state: Mapping[str, Tensor], prefix: str, width: int) -> nn.Linear | None:
    """The last layer of a checkpoint whose other weights bear this prefix, or none."""
    for before in dict.fromkeys((prefix, prefix.removesuffix("backbone.").removesuffix("encoder."), "")):
        for name in HEADS:
            weight = state.get(f"{before}{name}.weight")
            if weight is not None and weight.dim() == 2 and weight.shape[1] == width:
                bias = state.get(f"{before}{name}.bias")
                return linear({"weight": weight, "bias": torch.zeros(len(weight)) if bias is None else bias})
    return None


def linear(state: Mapping[str, Tensor]) -> nn.Linear:
    """A linear layer with these weights."""
    classes, width = state["weight"].shape
    layer: nn.Linear = skip_init(nn.Linear, width, classes)  # draws nothing from the global generator
    layer.load_state_dict(dict(state))
    return layer
