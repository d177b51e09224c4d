"""What do augmentations teach a self-supervised vision network?

The names below are the public API; each is imported when it is first used.
"""

import importlib
from typing import Any

__all__ = ["Corpus", "Graph", "Laboratory", "Recipe", "compose", "find_image", "load", "load_encoder", "load_image"]

_HOMES = {
    "Corpus": "data.corpus",
    "Graph": "augment.graph",
    "Laboratory": "study.pipeline",
    "Recipe": "data.corpus",
    "compose": "study.compose",
    "find_image": "data.images",
    "load": "show.notebook",
    "load_encoder": "learn.checkpoint",
    "load_image": "data.images",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'augstudy' has no attribute {name!r}")
    return getattr(importlib.import_module(f"augstudy.{_HOMES[name]}"), name)
