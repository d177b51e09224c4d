"""`augstudy crops`: from the words of the command line to an export."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from augstudy.core.build import build, check_range
from augstudy.core.errors import UserError
from augstudy.data.corpus import Corpus, Recipe
from augstudy.data.device import device_for
from augstudy.data.encoding import Encoding
from augstudy.data.export import Export
from augstudy.data.images import find_image, load_image

__all__ = ["planned", "recipe_from"]


def planned(
    images: Sequence[str],
    recipe: Recipe,
    out: Path,
    seed: int = 0,
    form: str = "webdataset",
    encoding: str | None = None,
    quality: int = 90,
    shard_size: int = 10_000,
    device: str = "auto",
) -> Export:
    """An export with everything that it needs found and checked.

    Args:
        images: names of the catalogue, or paths.
        encoding: None for JPEG, or for raw pixels in an array.

    Raises:
        UserError: an image cannot be had or read, or a setting is wrong.
    """
    check_range("seed", seed, 0)
    chosen = Encoding(encoding or ("raw" if form == "npy" else "jpeg"), quality)
    where = device_for(device)
    used = [find_image(name) for name in images]
    for image in used:  # now, rather than in the middle of the work
        load_image(image.path)
    corpus = Corpus([image.path for image in used], recipe, seed, where)
    return Export(corpus, used, out, form, chosen, shard_size)


def recipe_from(words: Sequence[str], count: int | None = None, size: int | None = None) -> Recipe:
    """A recipe from `key=value` words, the values read as YAML.

    Raises:
        UserError: a word without =, an unknown key, or a value that is out of range or of the wrong type.
    """
    node: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise UserError(f"--set {word}: there is no = in it", "Write --set key=value, such as --set rotation=0.")
        try:
            node[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise UserError(f"--set {word}: the value is not YAML", "Write --set scale=[0.01,1] for a pair.") from None
    node |= {name: value for name, value in (("count", count), ("size", size)) if value is not None}
    return build(Recipe, node, "--set")
